"""Run a command that ends with the process that started this one.

`python -m app.local.guard PROGRAM ARGUMENT…` stops the program when stdin is closed, which also happens when the
starting process is killed. It imports the standard library only, so that it costs some milliseconds.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import types
from collections.abc import Sequence

CHECK_SECONDS = 0.25
STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1


class _Stop(Exception):
    pass


def main(arguments: Sequence[str]) -> int:
    """The program's exit code, or 128 plus the number of the signal that ended it."""
    signal.signal(signal.SIGTERM, _request_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    # The kernel ties the death signal to the *thread* that starts a child: sound here, where there is one thread only,
    # and the reason why the starting process does not do it itself.
    child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)  # noqa: PLW1509
    try:
        while child.poll() is None and os.getppid() == parent and not _is_stdin_closed():
            pass
    except _Stop:
        pass
    _stop(child)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _request_stop(_number: int, _frame: types.FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stop


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_stdin_closed() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], CHECK_SECONDS)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _stop(child: subprocess.Popen[bytes]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
