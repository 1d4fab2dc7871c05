"""Processes of the local stack: started detached, named by id and start time, stopped by id only."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.runtime.settings import inherited_environment

ROOT = Path(__file__).resolve().parents[2]
WAIT_THEN_RUN = 'read -r _ && exec "$@" </dev/null'
POLL_SECONDS = 0.05
KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run; `log` takes what it prints, `environment` is added to the inherited one."""

    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def start_detached(command: Command) -> subprocess.Popen[bytes]:
    """A process in a session of its own, so that neither Ctrl-C nor a closed terminal reaches it.

    It waits for `release`, under the id that it keeps, and ends if this process ends before: one that nobody could
    write down never runs.
    """
    return _start(["/bin/sh", "-c", WAIT_THEN_RUN, "sh", *command.arguments], command, subprocess.PIPE, ())


def release(process: subprocess.Popen[bytes]) -> None:
    """Let a detached process run its command; nothing happens if it has ended."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"run\n")
            process.stdin.close()


def start_guarded(command: Command, keep_open: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """A guard process whose child runs the command and ends with this process, even if this one is killed.

    Closing the guard's stdin stops the child. The descriptors `keep_open` stay open in the guard, so that a lock on
    them lasts until the child has ended.
    """
    arguments = [sys.executable, "-m", "app.local.guard", *command.arguments]
    return _start(arguments, command, subprocess.PIPE, keep_open)


def _start(arguments: Sequence[str], command: Command, stdin: int, keep_open: Sequence[int]) -> subprocess.Popen[bytes]:
    with command.log.open("ab") as log:
        return subprocess.Popen(
            arguments,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=inherited_environment() | dict(command.environment),
            start_new_session=True,
            pass_fds=keep_open,
        )


def stop_guard(guard: subprocess.Popen[bytes], seconds: float) -> None:
    """End a guarded service; the guard itself kills a service that does not end in time."""
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        guard.wait(seconds + KILL_SECONDS)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()


def start_token(pid: int) -> str | None:
    """What tells this process from a later one with the same id; None if it does not run (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _start_token_from_ps(pid)
    except ProcessLookupError:
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _start_token_from_ps(pid: int) -> str | None:
    found = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        env=inherited_environment() | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    state, _, started = found.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def is_running(pid: int, token: str) -> bool:
    """Whether the process with this id is still the one that `token` was taken from."""
    return start_token(pid) == token


def stop(pid: int, token: str, seconds: float) -> bool:
    """End the process: SIGTERM, and SIGKILL after `seconds`; a foreign process with that id is left alone.

    Returns whether it ran. Raises PermissionError if it belongs to another user.
    """
    if not _send(pid, token, signal.SIGTERM):
        return False
    if not _wait_until_gone(pid, token, seconds) and _send(pid, token, signal.SIGKILL):
        _wait_until_gone(pid, token, KILL_SECONDS)
    return True


def _send(pid: int, token: str, number: signal.Signals) -> bool:
    if not is_running(pid, token):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _wait_until_gone(pid: int, token: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid, token):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def log_tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log file, indented; empty if there are none."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 16_384))
        text = log.read().decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
