"""The log itself changes while no worker looks: created anew, or truncated before it was read."""

import json
import time
import uuid
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from app.domain.counters import RESULT_FIELDS
from app.runtime.settings import ClickHouseSettings, Settings
from tests.workers import WorkerProcess, eventually, produce, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]


def received(count: int) -> list[tuple[bytes | None, bytes | None, int | None]]:
    now_ms = time.time_ns() // 1_000_000
    events = [
        {
            "eventId": str(uuid.uuid4()),
            "eventType": "artifact_received",
            "timestamp": now_ms,
            "artifactId": f"a{number}",
        }
        for number in range(count)
    ]
    return [(event["artifactId"].encode(), json.dumps(event).encode(), None) for event in events]  # type: ignore[attr-defined]


async def counts(worker: WorkerProcess, expected: int) -> None:
    async def holds() -> bool:
        status, body = await worker.ask("/api/v1/metrics/realtime")
        return bool(status == 200 and body["last60Minutes"][RESULT_FIELDS[0]] == expected)

    await eventually(holds, f"{expected} received notes are counted")


def metric(worker: WorkerProcess, name: str) -> float:
    [line] = [line for line in worker.text("/metrics").splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


@pytest.fixture
def settings(kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str) -> Settings:
    return worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 1})


async def count_first(settings: Settings, folder: Path, number: int) -> None:
    """A worker counts some records and ends."""
    with worker_process(settings, folder) as worker:
        await worker.until_ready()
        await produce(settings.kafka.bootstrap, f"{settings.kafka.topic_prefix}voice-events", received(number))
        await counts(worker, number)
        assert worker.end() == 0


@pytest.mark.parametrize("new_records", [20, 80], ids=["shorter", "longer"])
async def test_a_topic_created_anew_is_counted_from_its_start_and_from_zero(
    settings: Settings, tmp_path: Path, new_records: int
) -> None:
    await count_first(settings, tmp_path, 50)
    topic = f"{settings.kafka.topic_prefix}voice-events"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def is_gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(is_gone, "the topic is gone")
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()
    await produce(settings.kafka.bootstrap, topic, received(new_records))
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        await counts(worker, new_records)
        assert metric(worker, "voicemon_log_changes_total") == 1
        assert "another one" in worker.log.read_text()


async def test_records_deleted_before_they_were_read_are_counted_and_named(settings: Settings, tmp_path: Path) -> None:
    await count_first(settings, tmp_path, 50)
    topic = f"{settings.kafka.topic_prefix}voice-events"
    await produce(settings.kafka.bootstrap, topic, received(30))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(60)})
    finally:
        await admin.close()
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        await counts(worker, 50 + 20)
        assert metric(worker, "voicemon_records_lost_total") == 10
        assert metric(worker, "voicemon_log_changes_total") == 0
        assert '"first_offset": 50, "last_offset": 59' in worker.log.read_text()
