import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings
from sinks.base import Batch, RefusedRow, Row, WriteResult
from sinks.memory import MemorySink
from sinks.writer import BatchingWriter

TOPIC = "voice-events"
DEADLINE_SECONDS = 5
AWAY = SinkUnavailable("ClickHouse does not answer", code="network")


class ManualClock:
    def __init__(self) -> None:
        self.time_ms = 1_000_000

    def now_ms(self) -> int:
        return self.time_ms


class HeldSink(MemorySink):
    """Every write waits until `go` is set; `started` says that one waits."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()
        self.go = asyncio.Event()

    async def write(self, batch: Batch) -> WriteResult:
        self.started.set()
        await self.go.wait()
        return await super().write(batch)


class Occurrences:
    def __init__(self) -> None:
        self.stored = 0
        self.refused = 0
        self.codes: list[str] = []
        self.outages: list[float] = []

    def rows_stored(self, count: int, seconds: float) -> None:
        self.stored += count

    def rows_refused(self, count: int) -> None:
        self.refused += count

    def store_unavailable(self, code: str) -> None:
        self.codes.append(code)

    def store_available(self, seconds: float) -> None:
        self.outages.append(seconds)


class Bench:
    """A writer on a sink in memory with what it confirmed."""

    def __init__(self, sink: MemorySink | None = None, **settings: float) -> None:
        self.sink = sink or MemorySink()
        self.clock = ManualClock()
        self.telemetry = Occurrences()
        self.confirmed: list[tuple[int, int]] = []
        self.refused: list[RefusedRow] = []
        self.changed = asyncio.Event()
        self.writer = BatchingWriter(
            self.sink,
            ClickHouseSettings(**settings),
            self.clock,
            self.on_stored,
            topic=TOPIC,
            telemetry=self.telemetry,
        )

    async def on_stored(self, partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        self.confirmed.append((partition, last_offset))
        self.refused += refused
        self.changed.set()

    def add(self, partition: int, first: int, last: int, *, empty: bool = False) -> None:
        rows = [] if empty else [Row(offset, b'{"o":%d}' % offset) for offset in range(first, last + 1)]
        self.writer.add(partition, first, last, rows, sum(len(row.line) for row in rows))

    def advance(self, seconds: float) -> None:
        self.clock.time_ms += int(seconds * 1000)
        self.writer.wake()

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not is_true():  # noqa: ASYNC110 - any step of the loop may make it true
                await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.writer.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def settled(times: int = 50) -> None:
    """The loop has run everything that could run without time passing."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_ranges_are_confirmed_in_log_order_one_by_one() -> None:
    bench = Bench()
    bench.add(0, 0, 4)
    bench.add(0, 5, 5, empty=True)
    bench.add(0, 6, 9)
    async with bench.running():
        bench.advance(1)
        await bench.until(lambda: len(bench.confirmed) == 3)
    assert bench.confirmed == [(0, 4), (0, 5), (0, 9)]
    assert [(b.first_offset, b.last_offset, len(b.rows)) for b in bench.sink.batches] == [(0, 9, 9)]
    assert bench.telemetry.stored == 9


async def test_rows_wait_for_more_until_their_time_is_over() -> None:
    bench = Bench()
    async with bench.running():
        bench.add(0, 0, 0)
        await settled()
        assert bench.sink.batches == []
        bench.advance(0.19)
        await settled()
        assert bench.sink.batches == []
        bench.advance(0.01)
        await bench.until(lambda: bench.confirmed == [(0, 0)])


async def test_under_a_steady_flow_inserts_are_a_batch_time_apart() -> None:
    bench = Bench(batch_seconds=1.0)
    async with bench.running():
        bench.add(0, 0, 0)
        bench.advance(0.2)
        await bench.until(lambda: bench.confirmed == [(0, 0)])
        bench.add(0, 1, 1)
        bench.advance(0.9)
        await settled()
        assert len(bench.sink.batches) == 1
        bench.advance(0.1)
        await bench.until(lambda: bench.confirmed[-1] == (0, 1))


async def test_a_full_batch_does_not_wait() -> None:
    bench = Bench(batch_rows=10)
    async with bench.running():
        bench.add(0, 0, 4)
        bench.add(0, 5, 9)
        await bench.until(lambda: len(bench.confirmed) == 2)


async def test_a_range_without_rows_is_confirmed_at_once_and_in_order() -> None:
    bench = Bench()
    async with bench.running():
        bench.add(0, 0, 9, empty=True)
        await bench.until(lambda: bench.confirmed == [(0, 9)])
        bench.add(0, 10, 10)
        bench.add(0, 11, 11, empty=True)
        await settled()
        assert bench.confirmed == [(0, 9)]
        bench.advance(1)
        await bench.until(lambda: len(bench.confirmed) == 3)
    assert bench.confirmed[1:] == [(0, 10), (0, 11)]
    assert len(bench.sink.batches) == 1


async def test_a_range_larger_than_a_batch_is_split_and_confirmed_once() -> None:
    bench = Bench(batch_rows=10)
    bench.sink.refusals = {3: "no", 24: "no"}
    async with bench.running():
        bench.add(0, 0, 24)
        bench.advance(1)
        await bench.until(lambda: bench.confirmed == [(0, 24)])
    assert [len(batch.rows) for batch in bench.sink.batches] == [10, 10, 5]
    assert [row.offset for row in bench.refused] == [3, 24]
    assert bench.writer.backlog_bytes == 0


async def test_a_range_is_split_by_bytes_too() -> None:
    bench = Bench(batch_bytes=1024)
    rows = [Row(offset, b"x" * 400) for offset in range(4)] + [Row(4, b"y" * 3000), Row(5, b"z")]
    async with bench.running():
        bench.writer.add(0, 0, 5, rows, sum(len(row.line) for row in rows))
        await bench.until(lambda: len(bench.sink.batches) == 3)
        bench.advance(1)
        await bench.until(lambda: bench.confirmed == [(0, 5)])
    assert [[row.offset for row in batch.rows] for batch in bench.sink.batches] == [[0, 1], [2, 3], [4], [5]]


async def test_refused_rows_come_with_their_range() -> None:
    bench = Bench()
    bench.sink.refusals = {1: "cannot parse", 7: "cannot parse"}
    seen: list[tuple[int, list[int]]] = []

    async def on_stored(_partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        seen.append((last_offset, [row.offset for row in refused]))

    bench.writer._on_stored = on_stored
    bench.add(0, 0, 4)
    bench.add(0, 5, 6)
    bench.add(0, 7, 9)
    async with bench.running():
        bench.advance(1)
        await bench.until(lambda: len(seen) == 3)
    assert seen == [(4, [1]), (6, []), (9, [7])]
    assert (bench.telemetry.stored, bench.telemetry.refused) == (8, 2)


async def test_forgotten_rows_are_neither_written_nor_confirmed() -> None:
    bench = Bench()
    bench.add(0, 0, 4)
    bench.add(1, 0, 4)
    bench.writer.forget(0)
    async with bench.running():
        bench.advance(1)
        await bench.until(lambda: bench.confirmed == [(1, 4)])
    assert bench.writer.backlog_bytes == 0


async def test_a_partition_forgotten_during_its_write_is_not_confirmed() -> None:
    sink = HeldSink()
    bench = Bench(sink)
    async with bench.running():
        bench.add(0, 0, 4)
        bench.advance(1)
        await sink.started.wait()
        bench.writer.forget(0)
        assert bench.writer.backlog_bytes == 0
        bench.add(0, 3, 6)
        sink.go.set()
        bench.advance(1)
        await bench.until(lambda: bench.confirmed == [(0, 6)])
        await settled()
    assert bench.confirmed == [(0, 6)]


async def test_a_partition_forgotten_while_its_ranges_are_confirmed_is_confirmed_no_further() -> None:
    bench = Bench()
    seen: list[int] = []

    async def on_stored(partition: int, last_offset: int, _refused: Sequence[RefusedRow]) -> None:
        seen.append(last_offset)
        bench.writer.forget(partition)

    bench.writer._on_stored = on_stored
    bench.add(0, 0, 4)
    bench.add(0, 5, 6)
    async with bench.running():
        bench.advance(1)
        await bench.until(lambda: bool(seen))
        await settled()
    assert seen == [4]


async def test_a_forgotten_partition_ends_its_retries() -> None:
    bench = Bench()
    bench.sink.outage = AWAY
    async with bench.running():
        for partition in (0, 1):
            bench.add(partition, 0, 4)
        bench.advance(1)
        await bench.until(lambda: len(bench.telemetry.codes) == 2)
        bench.writer.forget(0)
        bench.writer.forget(1)
        bench.sink.outage = None
        bench.add(2, 0, 1)
        bench.advance(1)
        await bench.until(lambda: bench.confirmed == [(2, 1)])


async def test_an_outage_blocks_with_its_reason_and_ends_without_loss() -> None:
    bench = Bench()
    bench.sink.outage = AWAY
    async with bench.running():
        bench.add(0, 0, 4)
        bench.advance(1)
        await bench.until(lambda: bench.writer.is_blocked)
        assert bench.writer.blocked_reason == "ClickHouse does not answer"
        assert bench.writer.blocked_since_ms == bench.clock.now_ms()
        for first in range(5, 105, 10):
            bench.add(0, first, first + 9)
        bench.advance(60)
        assert bench.writer.oldest_unstored_age_seconds == 61
        assert bench.confirmed == []
        bench.sink.outage = None
        bench.writer.wake()
        await bench.until(lambda: len(bench.confirmed) == 11)
    assert bench.confirmed == [(0, last) for last in range(4, 105, 10)]
    assert not bench.writer.is_blocked
    assert bench.writer.blocked_reason == ""
    assert bench.writer.blocked_since_ms is None
    assert bench.telemetry.outages == [60.0]
    assert len(bench.sink.lines) == 105


async def test_an_outage_is_one_line_for_each_cause_and_an_error_if_a_person_is_needed() -> None:
    bench = Bench()
    login = SinkUnavailable("the password is wrong: correct it", code="516", needs_operator=True)
    with capture_logs() as lines:
        async with bench.running():
            bench.add(0, 0, 4)
            bench.clock.time_ms += 1000
            for outage in (AWAY, AWAY, login, AWAY, login):
                bench.sink.outage = outage
                attempts = len(bench.telemetry.codes)
                bench.writer.wake()
                await bench.until(lambda before=attempts: len(bench.telemetry.codes) > before)
            bench.sink.outage = None
            bench.writer.wake()
            await bench.until(lambda: bench.confirmed == [(0, 4)])
    assert [(line["log_level"], line.get("code"), line.get("reason")) for line in lines] == [
        ("warning", "network", str(AWAY)),
        ("error", "516", str(login)),
        ("info", None, None),
    ]


async def test_a_retry_writes_the_same_batch_whatever_came_meanwhile() -> None:
    bench = Bench()
    bench.sink.outage = AWAY
    async with bench.running():
        bench.add(0, 0, 4)
        bench.advance(1)
        await bench.until(lambda: bench.writer.is_blocked)
        bench.add(0, 5, 9)
        bench.sink.outage = None
        bench.advance(5)
        await bench.until(lambda: len(bench.confirmed) == 2)
    assert [(batch.first_offset, batch.last_offset) for batch in bench.sink.batches] == [(0, 4), (5, 9)]


async def test_the_backlog_counts_waiting_and_written_rows() -> None:
    sink = HeldSink()
    bench = Bench(sink, backlog_bytes=1024 * 1024)
    async with bench.running():
        bench.writer.add(0, 0, 0, [Row(0, b"x" * 600_000)], 600_000)
        bench.advance(1)
        await sink.started.wait()
        assert not bench.writer.is_full
        bench.writer.add(0, 1, 1, [Row(1, b"x" * 600_000)], 600_000)
        assert bench.writer.backlog_bytes == 1_200_000
        assert bench.writer.is_full
        sink.go.set()
        bench.advance(2)
        await bench.until(lambda: len(bench.confirmed) == 2)
    assert bench.writer.backlog_bytes == 0
    assert bench.writer.oldest_unstored_age_seconds == 0.0


async def test_drain_stores_what_is_pending_without_waiting_for_its_time() -> None:
    bench = Bench(batch_seconds=1000)
    async with bench.running():
        bench.add(0, 0, 4)
        bench.add(1, 0, 4)
        assert await bench.writer.drain(DEADLINE_SECONDS)
    assert sorted(bench.confirmed) == [(0, 4), (1, 4)]


async def test_drain_of_nothing_is_done() -> None:
    assert await Bench().writer.drain(0.01)


async def test_drain_gives_up_in_an_outage() -> None:
    bench = Bench()
    bench.sink.outage = AWAY
    async with bench.running():
        bench.add(0, 0, 4)
        assert not await bench.writer.drain(0.05)
    assert bench.confirmed == []


async def test_a_failed_confirmation_ends_the_writer() -> None:
    bench = Bench()

    async def on_stored(*_: object) -> None:
        raise RuntimeError("dead letter not delivered")

    bench.writer._on_stored = on_stored
    bench.add(0, 0, 4)
    bench.advance(1)
    with pytest.raises(RuntimeError, match="dead letter not delivered"):
        await asyncio.wait_for(bench.writer.run(), DEADLINE_SECONDS)


async def test_partitions_do_not_starve_each_other() -> None:
    bench = Bench(batch_rows=1)
    async with bench.running():
        for offset in range(20):
            for partition in range(5):
                bench.add(partition, offset, offset)
        await bench.until(lambda: len(bench.confirmed) == 100)
    for partition in range(5):
        assert [last for at, last in bench.confirmed if at == partition] == list(range(20))


async def test_a_clock_set_back_does_not_hold_rows() -> None:
    bench = Bench()
    async with bench.running():
        bench.add(0, 0, 0)
        bench.advance(-3600)
        await bench.until(lambda: bench.confirmed == [(0, 0)])
