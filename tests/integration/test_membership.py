"""Members of the consumer group: killed ones, and ones with a name of their own."""

from pathlib import Path

import pytest

from app.domain.counters import RESULT_FIELDS
from app.runtime.settings import ClickHouseSettings
from tests.integration.test_crash_windows import messages
from tests.workers import WorkerProcess, eventually, produce, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

RECEIVED = RESULT_FIELDS[0]
BEFORE_ITS_PARTITIONS_MOVE_SECONDS = 15.0


async def received(worker: WorkerProcess) -> int:
    status, body = await worker.ask("/api/v1/metrics/realtime")
    return int(body["last60Minutes"][RECEIVED]) if status == 200 else -1


async def test_a_name_is_kept_through_a_kill_and_lost_to_a_second_worker(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    # Were it not for its name, the partitions of a killed worker would stay with it for 25 s.
    named = {"partitions": 2, "instance_id": "worker-1", "session_timeout_seconds": 25.0, "heartbeat_seconds": 0.5}
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka=named)
    topic, batch = f"{unique_prefix}voice-events", messages()
    with worker_process(settings, tmp_path) as killed:
        await killed.until_ready()
        await produce(kafka_bootstrap, topic, batch[:300])
        killed.process.kill()
        killed.process.wait(10)
    with worker_process(settings, tmp_path) as first:
        await produce(kafka_bootstrap, topic, batch[300:])

        async def has_counted_all() -> bool:
            return await received(first) == 600

        await eventually(
            has_counted_all, "the killed worker's partitions count again", BEFORE_ITS_PARTITIONS_MOVE_SECONDS
        )
        with worker_process(settings, tmp_path) as second:
            await eventually(lambda: first.process.poll() is not None, "the first worker gives its name up")
            assert first.process.returncode == 2
            assert "as 'worker-1' and holds this worker's partitions now" in first.log.read_text()

            async def goes_on() -> bool:
                return await received(second) == 600

            await eventually(goes_on, "the second worker counts on")
            assert second.process.poll() is None


async def test_partitions_of_a_killed_worker_count_again_soon(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix)  # with the default time-outs
    topic, batch = f"{unique_prefix}voice-events", messages()
    with worker_process(settings, tmp_path) as survivor, worker_process(settings, tmp_path) as killed:
        for worker in (survivor, killed):
            await worker.until_ready()

        async def has_partitions() -> bool:
            return any(table["partitions"] for table in (await killed.ask("/tables/"))[1]["tables"])

        await eventually(has_partitions, "the partitions are shared")
        killed.process.kill()
        await produce(kafka_bootstrap, topic, batch)

        async def has_counted_all() -> bool:
            return await received(survivor) == 600

        await eventually(has_counted_all, "the survivor counts all partitions", BEFORE_ITS_PARTITIONS_MOVE_SECONDS)
