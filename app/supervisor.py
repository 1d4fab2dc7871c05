"""Starts a worker again when it ends by itself, says why, and gives up loudly when that does not help."""

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from app.runtime.errors import VoicemonError

log = structlog.get_logger(__name__)

MOST_RESTARTS = 5
WITHIN_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
WRONG_USE = 2
"""Exit code of a worker whose settings cannot work: no restart helps."""
END_SECONDS = 15.0


class RestartLimit:
    """Counts ends within a sliding time; `now` gives seconds of a clock that only goes on."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ends: deque[float] = deque()

    def next_pause(self) -> float | None:
        """Seconds to wait before the next start, None if there were too many."""
        now = self._now()
        self._ends.append(now)
        while now - self._ends[0] > WITHIN_SECONDS:
            self._ends.popleft()
        if len(self._ends) > MOST_RESTARTS:
            return None
        return min(FIRST_PAUSE_SECONDS * 2.0 ** (len(self._ends) - 1), LONGEST_PAUSE_SECONDS)


async def supervise(command: Sequence[str], stop: asyncio.Event) -> None:
    """Keep a process running until `stop`; then end it as SIGTERM does.

    Raises VoicemonError when it has ended too often or because of its settings, or does not end.
    """
    limit = RestartLimit(asyncio.get_running_loop().time)
    while not stop.is_set():
        process = await asyncio.create_subprocess_exec(*command)
        ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if stop.is_set():
            await _end(process, ended)
            return
        await _pause(limit, await ended, stop)


async def _pause(limit: RestartLimit, code: int, stop: asyncio.Event) -> None:
    if code == WRONG_USE:
        raise VoicemonError("the worker cannot work with its settings and stays down: its last log lines say why")
    reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    pause = limit.next_pause()
    if pause is None:
        raise VoicemonError(
            f"the worker ended {MOST_RESTARTS + 1} times within {WITHIN_SECONDS:.0f} s, last with {reason}: "
            "it stays down, its last log lines say why"
        )
    log.error("Worker has ended and is started again", reason=reason, pause_seconds=pause)
    try:
        await asyncio.wait_for(stop.wait(), pause)
    except TimeoutError:
        return


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(ended, END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise VoicemonError(f"the worker did not end within {END_SECONDS:.0f} s and was killed") from None


def worker_command() -> list[str]:
    """The command that runs one worker with this process's environment."""
    return [sys.executable, "-m", "app.cli", "worker"]
