"""Offsets that are missing for good reasons: aborted and committed transactions, compaction; and an idle partition."""

import asyncio
import json
import time
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.domain.counters import RESULT_FIELDS
from app.runtime.settings import ClickHouseSettings, Settings
from tests.integration.test_audit import run_audit
from tests.integration.test_crash_windows import stored
from tests.workers import eventually, read_topic, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

TRANSACTIONS, COMPACTED = 0, 1
EARLY = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "200",
}


def event() -> bytes:
    now_ms = time.time_ns() // 1_000_000
    return json.dumps(
        {"eventId": str(uuid.uuid4()), "eventType": "artifact_received", "timestamp": now_ms, "artifactId": "a"}
    ).encode()


async def send_transactions(settings: Settings, topic: str, count: int) -> None:
    """As many transactions of ten records, every second one aborted."""
    bootstrap, name = settings.kafka.bootstrap, f"{settings.kafka.topic_prefix}publisher"
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
    await producer.start()
    for number in range(count):
        await producer.begin_transaction()
        for _ in range(10):
            await producer.send(topic, event(), partition=TRANSACTIONS, key=uuid.uuid4().bytes)
        await (producer.abort_transaction() if number % 2 else producer.commit_transaction())
    await producer.stop()


async def send_until_compacted(settings: Settings, topic: str) -> int:
    """Records with few keys until compaction has taken some; how many are left for good."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    await producer.start()
    sent = 0

    async def has_holes() -> bool:
        nonlocal sent
        for number in range(50):
            await producer.send_and_wait(topic, event(), partition=COMPACTED, key=b"key-%d" % (number % 5))
        sent += 50
        return len(await left(settings, topic)) < sent

    await eventually(has_holes, "the log is compacted", 60)
    await producer.stop()
    # From now on nothing may go: a worker that has counted a record cannot know that a later reader will not find it.
    await set_policy(settings, topic)
    return len(await left(settings, topic))


async def left(settings: Settings, topic: str) -> list[int]:
    records = await read_topic(settings.kafka.bootstrap, topic)
    return [record.offset for record in records if record.partition == COMPACTED]


async def set_policy(settings: Settings, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    await admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC, topic, {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}
            )
        ]
    )
    await admin.close()


async def test_missing_offsets_are_no_loss_and_aborted_records_do_not_count(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 3})
    topic = f"{unique_prefix}voice-events"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 3, 1, topic_configs=EARLY)])
    await admin.close()
    compacted = await send_until_compacted(settings, topic)
    await send_transactions(settings, topic, 6)
    with worker_process(settings, tmp_path) as worker:

        async def counts(expected: int) -> None:
            async def holds() -> bool:
                status, body = await worker.ask("/api/v1/metrics/realtime")
                return status == 200 and body["last60Minutes"][RESULT_FIELDS[0]] == expected and not body["stale"]

            await eventually(holds, f"{expected} received notes are counted")

        await counts(compacted + 30)
        await send_transactions(settings, topic, 4)  # and while it runs
        await counts(compacted + 50)
        await worker.until_ready()  # with a partition that never had a record
        code, found = await asyncio.to_thread(run_audit, worker)
        assert code == 0, found
    assert await asyncio.to_thread(stored, settings) == (compacted + 50, compacted + 50)
