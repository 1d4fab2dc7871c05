"""A worker killed at any step that makes something durable is exact after its next start."""

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from app.domain.counters import RESULT_FIELDS
from app.runtime.faults import EXIT_CODE, FaultPoint
from app.runtime.log_position import group_lag
from app.runtime.settings import ClickHouseSettings, FaultSettings, Settings
from sinks.clickhouse.client import connect
from tests.workers import WorkerProcess, eventually, produce, read_topic, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

EVENTS = 600
BAD = 40
RECEIVED = RESULT_FIELDS[0]


def messages() -> list[tuple[bytes | None, bytes | None, int | None]]:
    """Received notes of five organisations, every sixth sent twice, with refused records between them."""
    now_ms = time.time_ns() // 1_000_000
    found: list[tuple[bytes | None, bytes | None, int | None]] = []
    for index in range(EVENTS):
        event: dict[str, Any] = {"eventId": str(uuid.uuid4()), "eventType": "artifact_received", "timestamp": now_ms}
        event |= {"artifactId": f"artifact-{index}", "organizationId": f"org-{index % 5}"}
        copies = 2 if index % 6 == 0 else 1
        found += [(event["artifactId"].encode(), json.dumps(event).encode(), None)] * copies
        if index % (EVENTS // BAD) == 0:
            found.append((event["artifactId"].encode(), b"{" + str(index).encode(), None))
    return found


async def counts(worker: WorkerProcess) -> list[int]:
    """Received notes of the platform and of each organisation in the last 60 minutes."""
    scopes = ["", *(f"?organizationId=org-{number}" for number in range(5))]
    answers = [await worker.ask(f"/api/v1/metrics/realtime{scope}") for scope in scopes]
    return [body["last60Minutes"][RECEIVED] if status == 200 else -1 for status, body in answers]


async def committed_everything(settings: Settings) -> bool:
    return all(committed == end for committed, end in (await group_lag(settings.kafka)).values())


def stored(settings: Settings) -> tuple[int, int]:
    client = connect(settings.clickhouse)
    try:
        return client.query("SELECT count(), uniqExact(eventId) FROM events FINAL").result_rows[0]  # type: ignore[no-any-return]
    finally:
        client.close()


@pytest.mark.parametrize("point", FaultPoint)
async def test_a_crash_at_any_step_loses_and_doubles_nothing(
    point: FaultPoint, kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    quick = {"partitions": 2, "session_timeout_seconds": 2.0, "heartbeat_seconds": 0.5}
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka=quick)
    # All may be committed at once, so that there is no second pass.
    passes = 0 if point in (FaultPoint.BEFORE_COMMIT, FaultPoint.AFTER_COMMIT) else 1
    faulty = settings.model_copy(update={"fault": FaultSettings(point=point.value, passes=passes)})
    topic = f"{unique_prefix}voice-events"
    batch = messages()
    with worker_process(faulty, tmp_path) as worker:
        await eventually(lambda: worker.process.poll() is not None or worker.get("/health/ready")[0] == 200, "started")
        for start in range(0, len(batch), 100):
            await produce(kafka_bootstrap, topic, batch[start : start + 100])
        await eventually(lambda: worker.process.poll() is not None, f"the worker dies at {point}")
        assert worker.process.returncode == EXIT_CODE
    with worker_process(settings, tmp_path) as worker:

        async def is_exact() -> bool:
            return await counts(worker) == [EVENTS] + [EVENTS // 5] * 5

        await eventually(is_exact, "the counts are exact")
        await eventually(lambda: committed_everything(settings), "everything is committed")
        assert await counts(worker) == [EVENTS] + [EVENTS // 5] * 5
    assert await asyncio.to_thread(stored, settings) == (EVENTS, EVENTS)
    letters = await read_topic(kafka_bootstrap, f"{unique_prefix}voice-events-dead-letter")
    sources = [dict(letter.headers) for letter in letters]
    assert len({(source["source-partition"], source["source-offset"]) for source in sources}) == BAD
