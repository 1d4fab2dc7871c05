"""Four ways from a log to durable rows: the engine alone, our sink path, the loop most people write, a whole worker."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver.client import Client

from app.bench.lap import Lap, Result, Sample, Task, rss_bytes
from app.bench.worker import LapTelemetry, run_worker, worker_settings
from app.domain.events import AgeLimits, Anomalies, Metadata, decode_event
from app.main import FETCH_BYTES
from app.runtime.clock import SystemClock
from app.runtime.kafka_access import client_options
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.topics import Topics
from sinks.base import RefusedRow, Row
from sinks.clickhouse.client import connect
from sinks.clickhouse.rows import encode_row
from sinks.clickhouse.sink import INSERT_SETTINGS, ClickHouseSink
from sinks.writer import LANES, BatchingWriter

TEXTS = (
    "artifactId", "voiceNoteId", "organizationId", "coachUserId", "pipelineStage", "previousStatus", "newStatus",
    "errorMessage", "errorCode",
)  # fmt: skip
NUMBERS = ("stageStartedAt", "stageCompletedAt", "durationMs")
METADATA = Metadata.__struct_encode_fields__
SAMPLE_SECONDS = 10.0
PLACE = ("source_partition", "source_offset", "append_time_ms")
COLUMNS = ("eventId", "eventType", "timestamp", *TEXTS, *NUMBERS, "metadata", *PLACE)


def store_settings(task: Task) -> ClickHouseSettings:
    """The store of the environment, in the database of the measurement."""
    return Settings.from_environment().clickhouse.model_copy(update={"database": task.database})


async def engine_alone(task: Task) -> Result:
    """The bytes that our sink would send, prepared before the clock starts and sent over as many connections."""
    settings, lap = store_settings(task), Lap(task.events)
    bodies = [body async for body in _prepared(task, settings)]
    clients = [connect(settings) for _ in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        lap.start()
        lanes = [
            asyncio.get_running_loop().run_in_executor(pool, _send, client, settings, bodies[number::LANES])
            for number, client in enumerate(clients)
        ]
        await asyncio.gather(*lanes)
        return lap.result(task.events)


def _send(client: Client, settings: ClickHouseSettings, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        client.raw_insert(f"{settings.database}.events", insert_block=body, settings=INSERT_SETTINGS, fmt="JSONEachRow")


async def _prepared(task: Task, settings: ClickHouseSettings) -> AsyncIterator[bytes]:
    """Bodies of one partition each, as large as our sink's."""
    waiting: dict[int, list[Row]] = {}
    async for tp, records in _fetched(task):
        waiting.setdefault(tp.partition, []).extend(_rows(tp.partition, records))
    for rows in waiting.values():
        for part in _cut(rows, settings):
            yield b"\n".join(row.line for row in part)


def _cut(rows: Sequence[Row], settings: ClickHouseSettings) -> Iterator[list[Row]]:
    part: list[Row] = []
    size = 0
    for row in rows:
        if part and (len(part) >= settings.batch_rows or size + len(row.line) > settings.batch_bytes):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.line)
    if part:
        yield part


def _rows(number: int, records: Iterable[Any]) -> list[Row]:
    limits, anomalies, decode = AgeLimits(), Anomalies(), decode_event
    return [
        Row(at.offset, encode_row(decode(at.value, at.timestamp, limits, anomalies), number, at.offset, at.timestamp))
        for at in records
    ]


async def our_sink(task: Task) -> Result:
    """Records fetched, decoded and validated, written by our writer, committed once they are stored."""
    settings, lap = store_settings(task), Lap(task.events)
    sink, stored = ClickHouseSink(settings), asyncio.Event()
    left, is_open = dict.fromkeys(range(task.partitions), 0), True
    async with _consumer(task) as consumer:

        async def on_stored(number: int, last: int, refused: Sequence[RefusedRow]) -> None:
            await consumer.commit({TopicPartition(Topics(task.prefix).events, number): last + 1})
            left[number] -= 1
            if not is_open and not any(left.values()):
                stored.set()

        writer = BatchingWriter(sink, settings, SystemClock(), on_stored, topic=Topics(task.prefix).events)
        work = asyncio.create_task(writer.run())
        async for tp, records in _records(task, consumer):
            lap.start()
            rows = _rows(tp.partition, records)
            left[tp.partition] += 1
            writer.add(tp.partition, records[0].offset, records[-1].offset, rows, sum(len(row.line) for row in rows))
            while writer.is_full:  # noqa: ASYNC110 - nothing tells when it is not
                await asyncio.sleep(0.05)
        is_open = False
        if any(left.values()):
            await _first_of(stored, work)
        result = lap.result(task.events)
        work.cancel()
    await sink.close()
    return result


async def _first_of(event: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Return once the event is set; raises what the work raises if it ends first."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([waiting, work], return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()


async def plain_loop(task: Task) -> Result:
    """Records fetched, parsed, inserted as rows of values, committed, one after the other; nothing is validated."""
    settings, lap = store_settings(task), Lap(task.events)
    client = connect(settings)
    left = task.events
    async with _consumer(task) as consumer:
        while left > 0:
            fetched = await consumer.getmany(timeout_ms=1000)
            if not fetched:
                continue
            lap.start()
            rows = [_values(orjson.loads(at.value), at) for records in fetched.values() for at in records]
            client.insert("events", rows, column_names=COLUMNS, settings={"async_insert": 0})
            await consumer.commit()
            left -= len(rows)
        return lap.result(task.events)


def _values(event: dict[str, Any], record: Any) -> list[Any]:
    get, details = event.get, event.get("metadata", {})
    return [
        get("eventId"), get("eventType"), get("timestamp"), *[get(name) or "" for name in TEXTS],
        *map(get, NUMBERS), tuple(map(details.get, METADATA)), record.partition, record.offset, record.timestamp,
    ]  # fmt: skip


class StoredTelemetry(LapTelemetry):
    """The clock runs from the first slice counted until every accepted row is stored; memory is noted now and then."""

    def __init__(self, lap: Lap) -> None:
        super().__init__(lap)
        self.rows = self.ids = 0
        self.samples: list[Sample] = []

    def events_counted(self, accepted: int, duplicates: int, late: int) -> None:
        """A slice of the log was counted."""
        super().events_counted(accepted, duplicates, late)
        self.lap.start()
        self._look()

    def remembered_ids(self, count: int) -> None:
        """Ids in the duplicate filter."""
        super().remembered_ids(count)
        self.ids = count

    def rows_stored(self, count: int, seconds: float) -> None:
        """ClickHouse confirmed rows."""
        super().rows_stored(count, seconds)
        self.rows += count
        self._look()

    def _look(self) -> None:
        is_done = self.seen >= self.lap.events and self.rows >= self.accepted
        if is_done or self.lap.elapsed >= SAMPLE_SECONDS * (len(self.samples) + 1):
            self.samples.append(Sample(self.lap.elapsed, self.rows, rss_bytes(), self.ids))
        if is_done:
            self.finish(msgspec.structs.replace(self.lap.result(self.accepted), samples=self.samples))


async def whole_worker(task: Task) -> Result:
    """A worker as `voicemon worker` runs it: counters, changelogs, rows, snapshots."""
    settings = worker_settings(task, {}).model_copy(update={"clickhouse": store_settings(task)})
    return await run_worker(task, settings, StoredTelemetry(Lap(task.events)))


async def _fetched(task: Task) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
    async with _consumer(task) as consumer:
        async for tp, records in _records(task, consumer):
            yield tp, records


async def _records(task: Task, consumer: AIOKafkaConsumer) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
    """Every record of the log, a partition's fetch at a time."""
    left = task.events
    while left > 0:
        for tp, records in (await consumer.getmany(timeout_ms=500)).items():
            left -= len(records)
            yield tp, records
            await asyncio.sleep(0)


@asynccontextmanager
async def _consumer(task: Task) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of every partition from its start, in the group of the measurement."""
    consumer = AIOKafkaConsumer(
        **client_options(task.kafka()),
        group_id=task.prefix + task.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        topic = Topics(task.prefix).events
        consumer.assign([TopicPartition(topic, number) for number in range(task.partitions)])
        yield consumer
    finally:
        await consumer.stop()


CONTENDERS = {
    "engine": engine_alone,
    "sink": our_sink,
    "plain": plain_loop,
    "worker": whole_worker,
}
