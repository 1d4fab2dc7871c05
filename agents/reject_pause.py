"""Holds a worker back before it empties a topic of broken records into the dead-letter topic."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import structlog

from app.domain.reject_limit import RejectLimit

LOOK_SECONDS = 0.2

log = structlog.get_logger(__name__)


class RejectPause:
    """Lets ranges pass until too many of their records are refused, then waits for `resume`.

    Without a limit everything passes.
    """

    def __init__(self, limit: RejectLimit | None) -> None:
        self._limit = limit
        self._resumed = asyncio.Event()
        self.reason = ""

    async def judge(
        self, partition: int, records: Sequence[Any], refused: Collection[int], is_wanted: Callable[[], bool]
    ) -> None:
        """Return once the dead letters of a range may be delivered, or when the range `is_wanted` no longer.

        `refused` has the offsets of the refused records. None of them may be delivered before, so the pause neither
        loses nor doubles a dead letter: a worker that ends meanwhile has not committed the range.
        """
        if self._limit is None:
            return
        positions = [at for at, record in enumerate(records) if record.offset in refused] if refused else []
        found = self._limit.note(partition, len(records), positions)
        if found is None:
            return
        self._resumed.clear()
        self.reason = f"{found}: partitions pause; mend the publisher, or go on with 'voicemon resume'"
        log.error("Too many records are refused: partitions pause", reason=found, first_offset=records[0].offset)
        while is_wanted() and not self._resumed.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._resumed.wait(), LOOK_SECONDS)
        log.info("Partitions go on", resumed=self._resumed.is_set())
        self.forget()

    def resume(self) -> bool:
        """Go on, and judge anew from here; False if nothing was paused."""
        was_paused = bool(self.reason)
        self._resumed.set()
        return was_paused

    def forget(self) -> None:
        """What was noted so far does not count any more: it is read again, or an operator has accepted it."""
        self.reason = ""
        if self._limit is not None:
            self._limit.forget()
