"""A load of good, repeated and bad records, and whether a worker has made exactly of it what the log says."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError

from app.domain.counters import COUNTER_TYPES
from app.domain.event_types import EVENT_TYPES
from app.domain.recount import LogRecord, Recount, hourly_counters, recount
from app.runtime.log_position import committed_offsets
from app.runtime.settings import Settings
from app.runtime.topics import Topics
from sinks.clickhouse.client import connect
from tests.workers import WorkerProcess, eventually, read_topic

BATCH = 20
PAUSE_SECONDS = 0.02


@asynccontextmanager
async def load(settings: Settings, seed: int = 1) -> AsyncIterator[None]:
    """Up to 1,000 records a second while the block runs; what Kafka does not take is given up."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap, request_timeout_ms=5_000)
    await producer.start()
    task = asyncio.create_task(_send_for_ever(producer, settings, random.Random(seed)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(producer.stop(), 10)


async def _send_for_ever(producer: AIOKafkaProducer, settings: Settings, chance: random.Random) -> None:
    topic, earlier = Topics(settings.kafka.topic_prefix).events, [_value(chance)]
    while True:
        for _ in range(BATCH):
            value = _value(chance) if chance.random() > 0.1 else chance.choice(earlier)
            earlier[chance.randrange(len(earlier)) :] = [value, *earlier[-200:]]
            # Copies of one event stay in one partition, as its publisher's key would keep them.
            partition = sum(value) % settings.kafka.partitions
            with suppress(KafkaError):
                await producer.send(topic, value, partition=partition)
        await asyncio.sleep(PAUSE_SECONDS)


def _value(chance: random.Random) -> bytes:
    if chance.random() < 0.02:
        return b"no event %d" % chance.getrandbits(40)
    event: dict[str, Any] = {
        "eventId": str(uuid.UUID(int=chance.getrandbits(128))),
        "eventType": chance.choice(EVENT_TYPES),
        "timestamp": time.time_ns() // 1_000_000,
    }
    organization = chance.choice(["a", "b", "c", None])
    return json.dumps(event | ({"organizationId": organization} if organization else {})).encode()


async def truth(settings: Settings) -> tuple[Recount, list[ConsumerRecord]]:
    """What the log holds, counted anew."""
    log = await read_topic(settings.kafka.bootstrap, Topics(settings.kafka.topic_prefix).events)
    return recount(LogRecord(at.partition, at.offset, at.timestamp, at.key, at.value) for at in log), log


async def assert_counted(worker: WorkerProcess, told: Recount) -> None:
    """The live counters become equal to the recount, and stay."""
    expected = {
        (scope, hour, COUNTER_TYPES[index]): value
        for (scope, hour), values in hourly_counters(told.events).items()
        for index, value in enumerate(values)
        if value
    }
    found: dict[Any, int] = {}

    async def holds() -> bool:
        status, body = await worker.ask("/tables/counters/?format=json&limit=1000000")
        entries = body["entries"] if status == 200 else []
        found.clear()
        found.update(
            {(at.get("organizationId"), at["windowStart"], at["counterType"]): at["currentValue"] for at in entries}
        )
        surplus = {at: value for at, value in found.items() if value > expected.get(at, 0)}
        assert not surplus, f"counted too often: {surplus}, expected {expected}"
        return found == expected

    await eventually(holds, "the counters equal the recount of the log")


async def assert_stored(settings: Settings, told: Recount) -> None:
    """The stored rows become equal to the accepted events, each once."""
    expected = sorted(accepted.event.event_id for accepted in told.accepted)

    async def holds() -> bool:
        found = await asyncio.to_thread(_stored_ids, settings)
        assert len(found) <= len(expected), f"{len(found)} rows are stored of {len(expected)} events"
        return found == expected

    await eventually(holds, "the stored rows equal the accepted events")


async def assert_commits_are_stored(settings: Settings, told: Recount) -> None:
    """Every accepted event below its partition's committed offset is stored now."""
    committed = await committed_offsets(settings.kafka)
    below = {at.event.event_id for at in told.accepted if at.offset < committed.get(at.partition, 0)}
    found = set(await asyncio.to_thread(_stored_ids, settings)) if below else set()
    assert below <= found, f"{len(below - found)} of {len(below)} committed events are not stored"


async def assert_dead_letters(settings: Settings, told: Recount, log: list[ConsumerRecord]) -> None:
    """Each refused record has a dead letter; nothing else has."""
    expected = {(log[at.index].partition, log[at.index].offset) for at in told.dead_letters}
    letters = await read_topic(settings.kafka.bootstrap, Topics(settings.kafka.topic_prefix).dead_letters)
    headers = [dict(letter.headers) for letter in letters]
    assert {(int(at["source-partition"]), int(at["source-offset"])) for at in headers} == expected


async def assert_exact(worker: WorkerProcess) -> int:
    """Counters, rows and dead letters are what the log says; the number of accepted events."""
    told, log = await truth(worker.settings)
    await assert_counted(worker, told)
    await assert_stored(worker.settings, told)
    await assert_dead_letters(worker.settings, told, log)
    return len(told.accepted)


def _stored_ids(settings: Settings) -> list[str]:
    client = connect(settings.clickhouse)
    try:
        rows = client.query("SELECT toString(eventId) FROM events FINAL").result_rows
    finally:
        client.close()
    return sorted(row[0] for row in rows)
