"""Gathers rows per partition into batches, writes them, and confirms ranges in log order once they are stored."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from app.runtime.clock import Clock
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings
from sinks.base import RefusedRow, Row, SilentTelemetry, Sink, SinkTelemetry, WriteResult
from sinks.pending import PartitionQueue, Piece, batch_of

OnStored = Callable[[int, int, Sequence[RefusedRow]], Awaitable[None]]
"""Called with partition, last offset and refused rows of each range, in log order."""

FIRST_RETRY_SECONDS = 0.5
IDLE_SECONDS = 0.2
LANES = 2

_log = structlog.get_logger()


class BatchingWriter:
    """Everything added is stored or refused, then confirmed: per partition in log order, through any outage.

    `add` and `forget` must be called in the event loop that runs `run`. Times are the clock's; a clock that jumps
    makes an insert early, never late.
    """

    def __init__(  # noqa: PLR0913 - the composition root names every one of them
        self,
        sink: Sink,
        settings: ClickHouseSettings,
        clock: Clock,
        on_stored: OnStored,
        *,
        topic: str,
        telemetry: SinkTelemetry | None = None,
        lanes: int = LANES,
    ) -> None:
        self._sink = sink
        self._settings = settings
        self._clock = clock
        self._on_stored = on_stored
        self._topic = topic
        self._telemetry = telemetry or SilentTelemetry()
        self._lanes = lanes
        self._queues: dict[int, PartitionQueue] = {}
        self._work = asyncio.Event()
        self._retry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_draining = False
        self._outage: SinkUnavailable | None = None
        self._logged_codes: set[str] = set()
        self.blocked_since_ms: int | None = None

    def add(self, partition: int, first_offset: int, last_offset: int, rows: Sequence[Row], size_bytes: int) -> None:
        """A fetched range waits for the store, also one without rows; `size_bytes` is the length of its lines."""
        queue = self._queues.get(partition)
        if queue is None:
            queue = self._queues[partition] = PartitionQueue(partition)
        queue.add(Piece(first_offset, last_offset, rows, size_bytes, self._clock.now_ms()), self._settings)
        self._idle.clear()
        self._work.set()

    def forget(self, partition: int) -> None:
        """The partition's ranges are dropped; none of them is confirmed from now on, not even one being written."""
        queue = self._queues.pop(partition, None)
        if queue is not None:
            queue.is_forgotten = True
            self._retry.set()
            self._note_idle()

    def wake(self) -> None:
        """What is due is looked for anew and a waiting retry happens now."""
        self._work.set()
        self._retry.set()

    @property
    def backlog_bytes(self) -> int:
        """Bytes of all rows that are not stored yet."""
        return sum(queue.unstored_bytes for queue in self._queues.values())

    @property
    def is_full(self) -> bool:
        """Whether the backlog has reached its bound: take no new ranges until it is lower."""
        return self.backlog_bytes >= self._settings.backlog_bytes

    @property
    def oldest_unstored_age_seconds(self) -> float:
        """Age of the oldest range that is not confirmed, 0.0 without one."""
        oldest = [since for queue in self._queues.values() if (since := queue.oldest_ms) is not None]
        return max(0, self._clock.now_ms() - min(oldest)) / 1000 if oldest else 0.0

    @property
    def is_blocked(self) -> bool:
        """Whether the last write failed, so that rows wait for the store to come back."""
        return self._outage is not None

    @property
    def blocked_reason(self) -> str:
        """One sentence for the readiness view; empty while the store takes rows."""
        return str(self._outage) if self._outage else ""

    async def run(self) -> None:
        """Writes until cancelled.

        Raises what `on_stored` raises and whatever a sink raises besides SinkUnavailable; ranges not confirmed by
        then never will be.
        """
        lanes = [asyncio.create_task(self._lane(), name=f"sink-lane-{number}") for number in range(self._lanes)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def drain(self, timeout: float) -> bool:
        """Whether everything added was confirmed within `timeout` seconds; nothing waits for more rows meanwhile.

        Needs a running `run`.
        """
        self._is_draining = True
        self.wake()
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            return False
        finally:
            self._is_draining = False
        return True

    async def _lane(self) -> None:
        while True:
            self._work.clear()
            queue, wait_seconds = self._next()
            if queue is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), wait_seconds)
                continue
            await self._store(queue)
            self._work.set()

    def _next(self) -> tuple[PartitionQueue | None, float | None]:
        """The queue to write now, else how long to wait; of several the one that was written longest ago."""
        now_ms = self._clock.now_ms()
        waits: list[int] = []
        due: list[PartitionQueue] = []
        for queue in self._queues.values():
            due_ms = queue.due_ms(self._settings, int(IDLE_SECONDS * 1000))
            if due_ms is None:
                continue
            # A clock set back must not hold rows: they were added later than it says now.
            if self._is_draining or due_ms <= now_ms or queue.pieces[0].since_ms > now_ms:
                due.append(queue)
            else:
                waits.append(due_ms - now_ms)
        if due:
            return min(due, key=lambda queue: queue.taken_ms), None
        return None, min(waits) / 1000 if waits else None

    async def _store(self, queue: PartitionQueue) -> None:
        """One batch of the queue on its way to the acknowledgement; no step begins before the one above has succeeded.

        1. The rows are written until each is stored or refused. A failure leaves some of them stored, perhaps, and
           nothing confirmed: the same batch is written again, and the store collapses copies.
        2. `on_stored` delivers the dead letters of refused rows; those of records that are no events were delivered
           before the range was added. A failure ends the writer and with it the worker: rows are stored, nothing is
           confirmed, so the next start writes the rows again and may deliver a letter twice.
        3. `on_stored` marks the range complete. From then on the worker delivers what the range has changed to the
           changelogs (`Consumer.force_commit`). A failure leaves rows and letters, and no commit: it is tried again
           with the next commit, and after a crash each cell takes only what it has not counted yet.
        4. It commits the offsets. A failure leaves everything but the commit: it is tried again, and after a crash
           or a rebalance the range is read again and changes nothing.

        A partition that is taken away at any moment is not confirmed from then on: its next owner reads it again.
        """
        pieces = queue.take(self._settings, self._clock.now_ms())
        result = await self._write(queue, pieces)
        if result is not None:
            await self._confirm(queue, pieces, result.refused)
        queue.done()
        self._note_idle()

    async def _write(self, queue: PartitionQueue, pieces: Sequence[Piece]) -> WriteResult | None:
        """The batch's result, however long the store is away; None if the partition was forgotten first.

        Own loop instead of stamina: the pause must end early when the store is back, the partition is revoked or
        the worker stops, and an outage is one line in the log, not one for each attempt.
        """
        batch = batch_of(self._topic, queue.partition, pieces)
        if not batch.rows:
            return WriteResult(0)
        pause = FIRST_RETRY_SECONDS
        while not queue.is_forgotten:
            started = asyncio.get_running_loop().time()
            try:
                result = await self._sink.write(batch)
            except SinkUnavailable as error:
                self._note_outage(error)
                if not queue.is_forgotten:
                    await self._pause(FIRST_RETRY_SECONDS if self._is_draining else pause)
                pause = min(pause * 2, self._settings.retry_max_seconds)
            else:
                self._note_stored(result, asyncio.get_running_loop().time() - started)
                return result
        return None

    async def _confirm(self, queue: PartitionQueue, pieces: Sequence[Piece], refused: Sequence[RefusedRow]) -> None:
        left = list(refused)
        for piece in pieces:
            queue.refused += [row for row in left if row.offset <= piece.last_offset]
            left = [row for row in left if row.offset > piece.last_offset]
            if piece.ends_range and not queue.is_forgotten:
                confirmed, queue.refused = queue.refused, []
                await self._on_stored(queue.partition, piece.last_offset, confirmed)

    async def _pause(self, seconds: float) -> None:
        """Between half of `seconds` and all of it, unless something wakes it."""
        self._retry.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._retry.wait(), seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def _note_outage(self, error: SinkUnavailable) -> None:
        self._telemetry.store_unavailable(error.code)
        if self.blocked_since_ms is None:
            self.blocked_since_ms = self._clock.now_ms()
        if error.code not in self._logged_codes:
            self._logged_codes.add(error.code)
            log = _log.error if error.needs_operator else _log.warning
            log("the store takes no rows, retrying", reason=str(error), code=error.code)
        self._outage = error

    def _note_stored(self, result: WriteResult, seconds: float) -> None:
        self._telemetry.rows_stored(result.stored, seconds)
        if result.refused:
            self._telemetry.rows_refused(len(result.refused))
        if self.blocked_since_ms is None:
            return
        outage_seconds = max(0, self._clock.now_ms() - self.blocked_since_ms) / 1000
        self._outage = self.blocked_since_ms = None
        self._logged_codes.clear()
        self._telemetry.store_available(outage_seconds)
        _log.info("the store takes rows again", outage_seconds=outage_seconds)
        self._retry.set()

    def _note_idle(self) -> None:
        if not any(queue.pieces or queue.writing for queue in self._queues.values()):
            self._idle.set()
