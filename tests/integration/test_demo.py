"""`voicemon demo` as a user runs it: real processes, an own folder, free ports."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.local.processes import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
START_SECONDS = 120
END_SECONDS = 15
FIGURES = "events/s"


@contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A demo in a process group of its own; killed if a test leaves it running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", "--ports", "auto", "--data", str(folder), "--json", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=END_SECONDS)


def processes_below(pid: int) -> set[int]:
    """Ids of all processes that descend from this one, whatever session they are in."""
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def runs(pid: int) -> bool:
    stat = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(stat.strip()) and not stat.startswith("Z")


def read_until(process: subprocess.Popen[str], word: str) -> None:
    """Return at the first line of standard error that holds `word`."""
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        lines = []
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if word in line:
                return
    finally:
        watchdog.cancel()
    raise AssertionError(f"the demo ended before {word!r}:\n{''.join(lines)}")


def summary_of(output: str) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(output)
    return summary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all demos, as a user has it: each but the first finds the data of the one before."""
    return tmp_path_factory.mktemp("demo") / "data"


def test_a_timed_demo_ends_with_numbers_that_agree(folder: Path) -> None:
    with running_demo(folder, "--seconds", "10") as process:
        output, errors = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0, errors
    summary = summary_of(output)
    assert summary["agree"], summary["problems"]
    assert summary["published"]["records"] == summary["published"]["delivered"] == summary["appended"] == 500
    assert summary["published"]["resends"] == summary["counted"]["duplicates"] > 0
    assert summary["published"]["distinct"] == summary["counted"]["accepted"] == summary["stored"]
    assert "/api/v1/metrics/realtime" in errors
    assert "artifactsReceived" in errors


def worker_below(pid: int) -> int:
    """Id of the process that counts, below its supervisor."""
    for child in processes_below(pid):
        asked = ["ps", "-ww", "-o", "args=", "-p", str(child)]
        command = subprocess.run(asked, capture_output=True, text=True, check=False)
        if command.stdout.strip().endswith("-m app.cli worker"):
            return child
    raise AssertionError("there is no worker")


def test_a_worker_that_is_killed_in_the_middle_ends_in_numbers_that_agree(folder: Path) -> None:
    with running_demo(folder, "--seconds", "20") as process:
        read_until(process, FIGURES)
        time.sleep(5)
        os.kill(worker_below(process.pid), signal.SIGKILL)
        output, errors = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0, errors
    summary = summary_of(output)
    assert summary["agree"], summary["problems"]
    assert summary["restarts"] == 1
    assert summary["audited"]
    assert summary["published"]["distinct"] == summary["counted"]["accepted"] == summary["stored"]
    assert summary["published"]["resends"] == summary["counted"]["duplicates"]


def test_ctrl_c_ends_the_demo_with_its_summary_and_leaves_no_process(folder: Path) -> None:
    with running_demo(folder) as process:
        read_until(process, FIGURES)
        below = processes_below(process.pid)
        assert len(below) >= 6  # Kafka, ClickHouse and the worker, each with its guard
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=END_SECONDS)
        assert process.returncode == 0, errors
        assert time.monotonic() - began < END_SECONDS
        assert not [pid for pid in below if runs(pid)]
    summary = summary_of(output)
    assert summary["interrupted"]
    assert summary["published"]["distinct"] >= summary["counted"]["accepted"] >= summary["stored"] > 0


def test_sigterm_while_the_demo_starts_leaves_no_process(folder: Path) -> None:
    with running_demo(folder) as process:
        read_until(process, "Starting the worker")
        below = processes_below(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        output, errors = process.communicate(timeout=END_SECONDS)
        assert process.returncode == 0, errors
        assert summary_of(output) == {"interrupted": True}
        assert not [pid for pid in below if runs(pid)]
