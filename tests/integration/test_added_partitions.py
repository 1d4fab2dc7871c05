"""A topic that gets partitions while a worker counts it."""

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from app.runtime.settings import ClickHouseSettings
from tests.integration.test_crash_windows import EVENTS, committed_everything, counts, messages, stored
from tests.workers import eventually, produce, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]


async def test_partitions_added_under_a_running_worker_are_counted(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 2})
    topic, batch = f"{unique_prefix}voice-events", messages()
    # A copy that goes to another partition than the first would be counted there, too.
    half = next(at for at in range(len(batch) // 2, len(batch)) if batch[at] != batch[at - 1])
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        await produce(kafka_bootstrap, topic, batch[:half])
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        await admin.create_partitions({topic: NewPartitions(5)})
        await admin.close()
        await produce(kafka_bootstrap, topic, batch[half:])

        async def is_exact() -> bool:
            return await counts(worker) == [EVENTS] + [EVENTS // 5] * 5

        await eventually(is_exact, "the counts are exact")
        await eventually(lambda: committed_everything(settings), "everything is committed")
        assert "The log has got more partitions" in worker.log.read_text()
        assert len((await worker.ask("/tables/counters/"))[1]["partitions"]) == 5
    assert await asyncio.to_thread(stored, settings) == (EVENTS, EVENTS)
