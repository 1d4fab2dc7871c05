"""`voicemon top` on a terminal."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from app.runtime.settings import Settings
from app.web.server import build_web
from tests.browser.serving import served
from tests.web_monitor import STAFF, TOKENS, MadeUpWorker
from tests.workers import ROOT, environment

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(120)]
DEADLINE_SECONDS = 40.0
# Ctrl-C interrupts the program whose terminal it is typed into.
CONTROLLED = """import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"""


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, url: str, token: str, columns: int) -> None:
        self._end, inside = pty.openpty()
        self.columns(columns)
        variables = environment(Settings()) | {"VOICEMON_WEB_CLIENT_TOKEN": token, "TERM": "xterm"}
        command = [sys.executable, "-c", CONTROLLED, "-m", "app.cli", "top", "--url", url, "--interval", "0.2"]
        self.running = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, cwd=ROOT, env=variables)
        os.close(inside)
        os.set_blocking(self._end, False)
        self.shown = ""

    def columns(self, count: int) -> None:
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, count, 0, 0))

    def type(self, key: bytes) -> None:
        os.write(self._end, key)

    def until(self, text: str) -> None:
        """Read until that has been shown since the last time."""
        deadline, self.shown = time.monotonic() + DEADLINE_SECONDS, ""
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown[-2000:]!r}"
            with contextlib.suppress(BlockingIOError):
                self.shown += os.read(self._end, 65536).decode()
            time.sleep(0.02)

    def ended(self) -> int:
        """The exit code; what is still shown is read, or the command could not end."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.running.poll() is None:
            assert time.monotonic() < deadline
            with contextlib.suppress(BlockingIOError, OSError):
                os.read(self._end, 65536)
            time.sleep(0.02)
        return self.running.returncode

    def close(self) -> None:
        if self.running.poll() is None:
            self.running.kill()
        self.running.wait(10)
        os.close(self._end)


@pytest.fixture
def worker() -> MadeUpWorker:
    return MadeUpWorker()


@pytest.fixture
def url(worker: MadeUpWorker) -> Iterator[str]:
    with served(build_web(worker, Settings.model_validate({"web": {"tokens": TOKENS}}))) as found:
        yield found


@contextlib.contextmanager
def top(url: str, token: str = STAFF, columns: int = 120) -> Iterator[Terminal]:
    terminal = Terminal(url, token, columns)
    try:
        yield terminal
    finally:
        terminal.close()


def test_it_follows_the_size_of_its_window_and_the_workers_state_until_q(url: str, worker: MadeUpWorker) -> None:
    with top(url) as terminal:
        terminal.until("artifactsReceived")
        terminal.columns(80)
        terminal.until("Last 22")  # minutes, for which there is room now
        worker.reasons = ["Kafka is away"]
        terminal.until("not ready: Kafka is away")
        worker.recovering = "the changelog is being read"
        terminal.until("no live figures: the changelog is being read")
        worker.reasons, worker.recovering = [], None
        terminal.until("artifactsReceived")
        terminal.type(b"q")
        assert terminal.ended() == 0


def test_ctrl_c_ends_it_also_while_the_worker_is_away(worker: MadeUpWorker) -> None:
    with served(build_web(worker, Settings())) as url:
        terminal = Terminal(url, "", 120)
        terminal.until("artifactsReceived")
    try:
        terminal.until("no worker answers")
        terminal.type(b"\x03")
        assert terminal.ended() == 0
    finally:
        terminal.close()


def test_a_wrong_token_ends_it_with_a_sentence(url: str) -> None:
    with top(url, "wrong-token-of-nobody") as terminal:
        terminal.until("VOICEMON_WEB_CLIENT_TOKEN")
        assert terminal.ended() == 1
