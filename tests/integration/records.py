"""Records of a test's own, and what a running worker makes of them."""

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from app.runtime.settings import Settings
from app.runtime.topics import Topics
from sinks.clickhouse.client import connect
from tests.workers import DEADLINE_SECONDS, WorkerProcess, eventually

Place = tuple[int, int]
"""Partition and offset."""
LARGEST_BYTES = 80_000_000


@dataclass(frozen=True)
class Outgoing:
    """A record to be sent."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def event(organization: str, **changes: Any) -> dict[str, Any]:
    """An event of now with an id of its own."""
    base = {"eventId": str(uuid.uuid4()), "eventType": "artifact_received", "timestamp": time.time_ns() // 1_000_000}
    return base | {"artifactId": "art_01", "organizationId": organization} | changes


def encoded(organization: str, **changes: Any) -> bytes:
    return json.dumps(event(organization, **changes)).encode()


def with_raw(organization: str, member: str) -> bytes:
    """That event with one more member, written as it stands."""
    return encoded(organization)[:-1] + b"," + member.encode("utf-8", "surrogateescape") + b"}"


async def send(
    settings: Settings, records: Sequence[Outgoing], compression: str | None = None, partition: int | None = 0
) -> list[Place]:
    """Where the records stand in the log, all confirmed and in order."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap, compression_type=compression, max_request_size=LARGEST_BYTES
    )
    topic = Topics(settings.kafka.topic_prefix).events
    await producer.start()
    try:
        sent = [
            await producer.send(topic, one.value, one.key, headers=list(one.headers), partition=partition)
            for one in records
        ]
        written = await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return [(at.partition, at.offset) for at in written]


async def dead_letters(settings: Settings, places: Sequence[Place]) -> dict[Place, ConsumerRecord]:
    """The dead letter of each place, by place; AssertionError if one does not come."""
    topic = Topics(settings.kafka.topic_prefix).dead_letters
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap, max_partition_fetch_bytes=40_000_000, fetch_max_bytes=80_000_000
    )
    found: dict[Place, ConsumerRecord] = {}
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        tps = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while set(places) - found.keys():
            assert time.monotonic() < deadline, f"no dead letters for {sorted(set(places) - found.keys())}"
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found |= {source_of(record): record for record in records}
    finally:
        await consumer.stop()
    return {place: found[place] for place in places}


def source_of(letter: ConsumerRecord) -> Place:
    headers = dict(letter.headers)
    return int(headers["source-partition"]), int(headers["source-offset"])


def text(letter: ConsumerRecord, name: str) -> str:
    """A header of a dead letter; of several with one name the last."""
    return (dict(letter.headers)[name] or b"").decode()


async def counted(worker: WorkerProcess, organization: str) -> dict[str, int]:
    """The organisation's counters over the last 60 minutes."""
    status, body = await worker.ask(f"/api/v1/metrics/realtime?organizationId={organization}")
    assert status == 200, body
    return body["last60Minutes"]


async def until_received(worker: WorkerProcess, organization: str, count: int) -> None:
    """Return once so many artifact_received are counted; AssertionError if there are more."""

    async def holds() -> bool:
        assert worker.process.poll() is None, worker.log.read_text()[-3000:]
        found = (await counted(worker, organization))["artifactsReceived1h"]
        assert found <= count, f"{found} instead of {count} are counted"
        return found == count

    await eventually(holds, f"{count} events of {organization} are counted")


async def until_stored(settings: Settings, organization: str, count: int) -> list[Any]:
    """Rows of the organisation with partition and offset, once there are so many."""
    rows: list[Any] = []

    async def holds() -> bool:
        rows[:] = await asyncio.to_thread(_rows, settings, organization)
        return len(rows) == count

    await eventually(holds, f"{count} rows of {organization} are stored, not {len(rows)}")
    return rows


def _rows(settings: Settings, organization: str) -> list[Any]:
    client = connect(settings.clickhouse)
    try:
        return list(
            client.query(
                "SELECT source_partition, source_offset, toString(eventId) AS id, length(errorMessage) AS size, "
                "metadata.aiCost AS cost, coachUserId AS coach FROM events FINAL "
                "WHERE organizationId = {organization:String} ORDER BY 1, 2",
                parameters={"organization": organization},
            ).named_results()
        )
    finally:
        client.close()
