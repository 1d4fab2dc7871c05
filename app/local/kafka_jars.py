"""The jars of the local Kafka: fetched once with Maven, kept in a cache folder named after the pom's content."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.local.processes import ROOT, log_tail
from app.runtime.errors import VoicemonError
from app.runtime.settings import LocalSettings

POM = ROOT / "deploy" / "local" / "kafka" / "pom.xml"
JAVA_MINIMUM = 17
JAVA_SECONDS = 60
FETCH_SECONDS = 600
INSTALL_JAVA = "`apt-get install openjdk-17-jre-headless` (Debian) or `brew install openjdk@17` (macOS)"
INSTALL_MAVEN = "`apt-get install maven` (Debian) or `brew install maven` (macOS)"


def find_java(program: str) -> str:
    """Path of a Java of version 17 or later.

    Raises VoicemonError if there is none; the message says how to install it.
    """
    path = shutil.which(program)
    if path is None:
        raise VoicemonError(
            f"Java is missing (no `{program}` on the PATH): the local Kafka needs version 17 or later, "
            f"install it with {INSTALL_JAVA}"
        )
    version = _java_version(path)
    if version < JAVA_MINIMUM:
        found = f"version {version}" if version else "no working Java"
        raise VoicemonError(
            f"Java is too old ({path} is {found}): the local Kafka needs version 17 or later, "
            f"install it with {INSTALL_JAVA} or set VOICEMON_LOCAL_JAVA"
        )
    return path


def _java_version(path: str) -> int:
    try:
        told = subprocess.run(
            [path, "-version"], capture_output=True, text=True, check=False, timeout=JAVA_SECONDS
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found.group(1)) if found else 0


def kafka_jars(settings: LocalSettings, say: Callable[[str], None]) -> Path:
    """Folder with all jars; the first call runs Maven, later ones find the folder.

    Raises VoicemonError if Maven is missing or fails.
    """
    cache = settings.cache_dir.expanduser().absolute()
    folder = cache / f"kafka-{hashlib.sha256(_pom()).hexdigest()[:16]}"
    if not folder.is_dir():
        with _locked(cache):
            if not folder.is_dir():
                _fetch(settings.maven, folder, say)
    return folder


def class_archive(java: str, jars: Path, run_once: Callable[[Path, Path], None]) -> Path | None:
    """File that gives Java the jars' classes already parsed: a start takes 3 s of processor time instead of 6.

    The first call has `run_once` (a folder for its data, the file) write it. None if this Java did not write one.
    """
    told = subprocess.run([java, "-version"], capture_output=True, check=False, timeout=JAVA_SECONDS).stderr
    archive = jars.with_name(f"{jars.name}-java-{hashlib.sha256(told).hexdigest()[:16]}.jsa")
    if not archive.exists():
        with _locked(jars.parent), tempfile.TemporaryDirectory(dir=jars.parent) as temporary:
            if not archive.exists():
                fresh = Path(temporary) / "classes.jsa"
                run_once(Path(temporary) / "kafka", fresh)
                # An empty file remembers the failure: the next start shall not try again.
                fresh.touch()
                fresh.rename(archive)
    return archive if archive.stat().st_size > 0 else None


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Two stacks that start together fetch once."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError as error:
        raise VoicemonError(
            f"the cache folder {cache} cannot be used ({error.strerror}): set VOICEMON_LOCAL_CACHE_DIR to another one"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _pom() -> bytes:
    try:
        return POM.read_bytes()
    except FileNotFoundError as error:
        raise VoicemonError(
            f"{POM} is missing: the local stack runs from a checkout of voice-pipeline-monitor, not from a wheel"
        ) from error


def _fetch(program: str, folder: Path, say: Callable[[str], None]) -> None:
    maven = shutil.which(program)
    if maven is None:
        raise VoicemonError(
            f"Maven is missing (no `{program}` on the PATH): it fetches the jars of the local Kafka, "
            f"install it with {INSTALL_MAVEN}"
        )
    say("Fetching Kafka's jars with Maven (once, about 55 MB) …")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        jars, log = Path(temporary) / "jars", Path(temporary) / "maven.log"
        _run_maven([maven, "-q", "-B", "-Dstyle.color=never", "-f", str(POM)], jars, log)
        # Only a complete folder gets the final name.
        jars.rename(folder)


def _run_maven(command: list[str], jars: Path, log: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                [*command, *goal], stdout=output, stderr=output, check=False, timeout=FETCH_SECONDS, cwd=jars.parent
            )
        except subprocess.TimeoutExpired as error:
            raise VoicemonError(
                f"Maven did not fetch Kafka's jars within {FETCH_SECONDS} s: check the network and try again"
            ) from error
    if done.returncode != 0 or not any(jars.glob("kafka_2.13-*.jar")):
        raise VoicemonError(
            f"Maven could not fetch Kafka's jars (exit code {done.returncode}): check the network and Maven's "
            f"settings and try again; its last lines:\n{log_tail(log)}"
        )
