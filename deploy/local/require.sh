#!/bin/sh
# Say in one sentence which program is missing and how to install it: require.sh python|java|maven|chromium ...
# Exit code 1 at the first one missing. PYTHON, JAVA, MAVEN and CHROMIUM name other programs than the usual ones.
set -eu

python="${PYTHON:-python3}"
java="${JAVA:-java}"
maven="${MAVEN:-mvn}"
# The same that tests/browser/chromium.py looks for.
chromium="${CHROMIUM:-chromium chromium-browser google-chrome /Applications/Chromium.app/Contents/MacOS/Chromium}"

missing() {
    echo "$1: install it with 'apt-get install $2' (Debian, Ubuntu) or 'brew install $3' (macOS)." >&2
    exit 1
}

require_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        missing "Python 3.11 or later is missing ($python is none; another one: make PYTHON=...)" \
            "python3 python3-venv" python@3.13
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        missing "Python's venv module is missing ($python)" python3-venv python@3.13
}

require_java() {
    # `java` of macOS without Java is there and fails.
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1) || version=
    [ "${version:-0}" -ge 17 ] ||
        missing "Java 17 or later is missing ($java is ${version:+version }${version:-none})" \
            openjdk-17-jre-headless openjdk@17
}

require_maven() {
    command -v "$maven" >/dev/null 2>&1 ||
        missing "Maven is missing (no $maven; it fetches the local Kafka)" maven maven
}

require_chromium() {
    for name in $chromium; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    missing "Chromium is missing (the tests of the live page run in it)" chromium "--cask chromium"
}

for tool in "$@"; do
    "require_$tool"
done
