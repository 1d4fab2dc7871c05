"""Takes records out of the buffer and sends them, one batch at a time per partition, until the broker has them."""

import asyncio
import random
from collections import deque
from collections.abc import Callable

from app.publisher.buffer import Buffer
from app.publisher.records import Record
from app.publisher.reports import Reports
from app.publisher.transport import RecordsRefused, Transport, TransportFailed, partition_of

LINGER_SECONDS = 0.02
BATCH_BYTES = 512 * 1024
BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 5.0
# Batches already on their way may still be acknowledged when another partition's batch has failed.
SETTLE_SECONDS = 2.0


class Lane:
    """The records of one partition that wait, and the task that sends them in order."""

    def __init__(self, partition: int, buffer: Buffer, transport: Transport) -> None:
        self._partition = partition
        self._buffer = buffer
        self._transport = transport
        self._records: deque[Record] = deque()
        self._filled = asyncio.Event()
        self._ending = False

    def end(self) -> None:
        """Return from `run` after the batch that is on its way."""
        self._ending = True
        self._filled.set()

    def add(self, record: Record) -> None:
        """Put a record behind the others."""
        self._records.append(record)
        self._filled.set()

    async def run(self) -> None:
        """Send batch after batch; raises TransportFailed when the connection is of no more use."""
        while True:
            await self._filled.wait()
            if self._ending:
                return
            batch = self._next_batch()
            await self._send(batch)
            self._buffer.confirm(batch)
            if not self._records and not self._ending:
                self._filled.clear()

    def _next_batch(self) -> list[Record]:
        batch: list[Record] = []
        size = 0
        while self._records:
            record = self._records[0]
            if batch and (record.alone or size + record.size_bytes > BATCH_BYTES):
                break
            batch.append(self._records.popleft())
            size += record.size_bytes
            if record.alone:
                break
        return batch

    async def _send(self, batch: list[Record]) -> None:
        try:
            await self._transport.send(self._partition, batch)
        except RecordsRefused as error:
            # A refused batch leaves a hole in the idempotent producer's sequence, so the connection ends either way.
            if len(batch) == 1:
                self._buffer.drop(batch, error.reason)
            for record in batch:
                record.alone = True
            raise


class Sender:
    """Delivers a buffer's records; one connection after the other, each with lanes of its own."""

    def __init__(self, buffer: Buffer, new_transport: Callable[[], Transport], reports: Reports) -> None:
        self._buffer = buffer
        self._new_transport = new_transport
        self._reports = reports
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """There is a new record, or something else to look at; only from the loop's thread."""
        self._woken.set()

    def stop(self) -> None:
        """Return from `run` as soon as the buffer is empty; only from the loop's thread."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver until stopped and empty; connections that fail are replaced with growing pauses."""
        pause = BACKOFF_FIRST_SECONDS
        while not self._is_done():
            delivered = self._buffer.stats().delivered
            try:
                await self._run_connection()
            except RecordsRefused as error:
                self._reports.connection_replaced(str(error))
            # Whatever went wrong: a sender that gives up would lose all later events without a word.
            except Exception as error:  # noqa: BLE001
                self._reports.connection_replaced(str(error) or repr(error))
                if self._buffer.stats().delivered > delivered:
                    pause = BACKOFF_FIRST_SECONDS
                # stamina reports each retry to hooks of the whole process, which here belongs to the publisher.
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
                pause = min(pause * 2, BACKOFF_MAX_SECONDS)

    def _is_done(self) -> bool:
        return self._stopping and self._buffer.is_empty

    async def _run_connection(self) -> None:
        """Open a connection and use it until the sender is done or the connection fails."""
        transport = self._new_transport()
        crew = _Crew(self._buffer, transport, self._woken.set)
        self._buffer.put_back()
        try:
            await transport.open()
            await self._dispatch(transport, crew)
        except TransportFailed:
            await crew.settle()
            raise
        finally:
            crew.dismiss()
            await transport.close()

    async def _dispatch(self, transport: Transport, crew: "_Crew") -> None:
        """Hand records to their lanes; raises what a lane raised."""
        await transport.partitions()
        while not self._is_done():
            self._woken.clear()
            records = self._buffer.take()
            if records:
                crew.add(records, await transport.partitions())
            await self._rest(bool(records))
            crew.check()

    async def _rest(self, had_records: bool) -> None:
        """Linger after records, so that the next batch is worth its request; sleep when there were none."""
        if self._stopping:
            await asyncio.sleep(LINGER_SECONDS / 10)
        elif had_records:
            await asyncio.sleep(LINGER_SECONDS)
        else:
            await self._woken.wait()
            await asyncio.sleep(LINGER_SECONDS)


class _Crew:
    """The lanes of one connection."""

    def __init__(self, buffer: Buffer, transport: Transport, on_end: Callable[[], None]) -> None:
        self._buffer = buffer
        self._transport = transport
        self._on_end = on_end
        self._lanes: dict[int, Lane] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, records: list[Record], partitions: int) -> None:
        """Give each record to the lane of its partition."""
        for record in records:
            number = partition_of(record.key, partitions)
            lane = self._lanes.get(number)
            if lane is None:
                lane = self._lanes[number] = Lane(number, self._buffer, self._transport)
                task = asyncio.create_task(lane.run())
                task.add_done_callback(lambda _: self._on_end())
                self._tasks.append(task)
            lane.add(record)

    def check(self) -> None:
        """Raise what ended a lane."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def settle(self) -> None:
        """Let batches on their way be acknowledged, for a moment, and send nothing more."""
        for lane in self._lanes.values():
            lane.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SETTLE_SECONDS)

    def dismiss(self) -> None:
        """End all lanes now."""
        for task in self._tasks:
            if not task.done():
                task.cancel()
            elif not task.cancelled():
                # Seen here, so that the loop does not report it as never looked at.
                task.exception()
