"""deploy/local/require.sh names the missing program and how to install it, in one sentence."""

import subprocess
from pathlib import Path

import pytest

from app.local.processes import ROOT
from tests.browser.chromium import CHROMIUM_NAMES


def require(tool: str, folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """The script's answer, for programs that are shell scripts with these bodies."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHON": "no-python",
        "JAVA": "no-java",
        "MAVEN": "no-maven",
        "CHROMIUM": "no-chromium",
    }
    for name, body in programs.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        environment[name.upper()] = str(path)
    return subprocess.run(
        ["sh", str(ROOT / "deploy/local/require.sh"), tool],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize(
    ("tool", "named", "package"),
    [
        ("python", "Python 3.11", "python3 python3-venv"),
        ("java", "Java 17", "openjdk-17"),
        ("maven", "Maven", "maven"),
        ("chromium", "Chromium", "chromium"),
    ],
)
def test_a_missing_program_is_named_with_its_package(tool: str, named: str, package: str, tmp_path: Path) -> None:
    answer = require(tool, tmp_path)
    assert answer.returncode == 1
    assert named in answer.stderr
    assert f"apt-get install {package}" in answer.stderr
    assert "brew install" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("echo 'openjdk version \"17.0.15\" 2025-04-15' >&2", 0),
        ("echo 'openjdk version \"21\" 2023-09-19' >&2", 0),
        ("echo 'java version \"1.8.0_402\"' >&2", 1),
        ("echo 'openjdk version \"11.0.2\"' >&2", 1),
        ("echo 'Unable to locate a Java Runtime.' >&2; exit 1", 1),
    ],
)
def test_java_must_be_17_or_later(body: str, code: int, tmp_path: Path) -> None:
    assert require("java", tmp_path, java=body).returncode == code


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    assert require("python", tmp_path, python="exit 1").returncode == 1
    assert require("python", tmp_path, python="exit 0").returncode == 0


def test_maven_need_only_be_there(tmp_path: Path) -> None:
    assert require("maven", tmp_path, maven="exit 1").returncode == 0


def test_any_of_the_known_browsers_will_do(tmp_path: Path) -> None:
    assert require("chromium", tmp_path, chromium="exit 1").returncode == 0


def test_the_tests_look_for_the_same_browsers() -> None:
    script = (ROOT / "deploy/local/require.sh").read_text()
    assert " ".join(CHROMIUM_NAMES) in script
