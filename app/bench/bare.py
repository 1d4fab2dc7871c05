"""The bare client: fetching alone, and fetching with the work that no counter can leave out."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.bench.lap import Lap, Result, Task
from app.domain.counters import COUNTERS_OF_TYPE
from app.domain.events import AgeLimits, Anomalies, decode_event, event_key
from app.domain.windows import MINUTE_MS
from app.main import FETCH_BYTES
from app.runtime.kafka_access import client_options
from app.runtime.topics import Topics


async def fetch_only(task: Task) -> Result:
    """Records fetched and dropped."""
    lap, left = Lap(task.events), task.events
    async with _consumer(task) as consumer:
        while left > 0:
            fetched = await consumer.getmany(timeout_ms=500)
            found = sum(map(len, fetched.values()))
            if found:
                lap.start(before=found)
            left -= found
    return lap.result(accepted=task.events)


async def fetch_and_count(task: Task) -> Result:
    """Records decoded as ours are, kept apart by a set of ids, counted per organisation, minute and counters."""
    lap, left = Lap(task.events), task.events
    limits, anomalies = AgeLimits(), Anomalies()
    ids: set[bytes] = set()
    tally: Counter[tuple[str | None, int, tuple[int, ...]]] = Counter()
    async with _consumer(task) as consumer:
        while left > 0:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                lap.start()
                for record in records:
                    event = decode_event(record.value, record.timestamp, limits, anomalies)
                    key = event_key(event)
                    if key not in ids:
                        ids.add(key)
                        indexes = COUNTERS_OF_TYPE[event.event_type]
                        if indexes:
                            tally[event.organization_id, event.timestamp // MINUTE_MS, indexes] += 1
                left -= len(records)
    return lap.result(accepted=len(ids))


@asynccontextmanager
async def _consumer(task: Task) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer at the start of every partition, outside any group."""
    consumer = AIOKafkaConsumer(
        **client_options(task.kafka()),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(Topics(task.prefix).events, number) for number in range(task.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        yield consumer
    finally:
        await consumer.stop()
