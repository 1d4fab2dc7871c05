"""When changed state is delivered and offsets are committed."""

import asyncio
from collections.abc import Awaitable, Callable

FLUSH_SHARE = 0.1
LONGEST_PAUSE = 3.0
"""Flushes and commits take about that share of the time at most: less often under load, but within this pause."""

PATIENCE_SECONDS = 5.0
"""A commit that takes longer hangs, and the flushes go on beside it.

Not less: a commit flushes, too, and takes seconds under load. Flushes beside it would only add to that load.
"""


class Flushing:
    """Delivers changed state often enough that a restart repeats little, and commits the offsets that it covers.

    Both in step: a commit needs a flush of its own, and under load every flush writes nearly all there is. A commit
    that hangs, because the group's coordinator is away, holds up no flush: other workers follow those.
    """

    def __init__(
        self,
        flush: Callable[[], Awaitable[object]],
        commit: Callable[[], Awaitable[object]],
        may_run: Callable[[], bool],
        *,
        flush_seconds: float,
        commit_seconds: float,
    ) -> None:
        self._flush, self._commit, self._may_run = flush, commit, may_run
        self._flush_seconds, self._commit_seconds = flush_seconds, commit_seconds
        self._committing: asyncio.Future[object] | None = None
        self._committed_at = 0.0

    async def run(self) -> None:
        """Flush and commit for ever. Raises what a flush or a commit raises."""
        loop = asyncio.get_running_loop()
        pause = self._flush_seconds
        try:
            while True:
                await asyncio.sleep(pause)
                started = loop.time()
                await self._turn(started, pause)
                pause = max(self._flush_seconds, min((loop.time() - started) / FLUSH_SHARE, LONGEST_PAUSE))
        finally:
            if self._committing is not None:
                self._committing.cancel()
                await asyncio.wait([self._committing])

    async def _turn(self, now: float, pause: float) -> None:
        if self._committing is not None and self._committing.done():
            self._end_commit(now)
        if not self._may_run():
            return
        if self._committing is None and now - self._committed_at >= self._commit_seconds:
            self._committing = asyncio.create_task(self._run_commit(), name="commit")
            done, _ = await asyncio.wait([self._committing], timeout=PATIENCE_SECONDS)
            if done:
                # Counted from the next turn's end, so that one that flushes all partitions comes between two commits.
                self._end_commit(asyncio.get_running_loop().time() + pause)
        else:
            await self._flush()

    async def _run_commit(self) -> object:
        return await self._commit()

    def _end_commit(self, at: float) -> None:
        committing, self._committing = self._committing, None
        self._committed_at = at
        if committing is not None:
            committing.result()
