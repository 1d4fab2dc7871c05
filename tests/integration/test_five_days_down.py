"""A worker that comes back after five days reads the log on and gives every hour and day of them."""

import asyncio
import random
import time
import uuid

import pytest

from app.domain.event_model import PipelineEvent
from app.domain.event_types import EVENT_TYPES
from app.domain.events import encode_event
from app.domain.windows import DAY_MS, HOUR_MS
from app.main import TABLES
from app.runtime.broker import prepare_topics
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.topics import Topics
from sinks.clickhouse.client import connect
from tests.integration.store.reference import differences
from tests.workers import eventually, produce, running_worker, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(300)]

EVENTS = 2000
DOWN_MS = 5 * DAY_MS
LATEST_MS = 40 * HOUR_MS


def appended(first_ms: int, end_ms: int) -> list[tuple[int, PipelineEvent]]:
    """Events with the time at which they are appended: most of them soon, some as late as almost two days."""
    rng = random.Random(51)
    found = []
    for number in range(EVENTS):
        timestamp = first_ms if number == 0 else rng.randrange(first_ms, end_ms)
        late_ms = rng.randrange(LATEST_MS) if rng.random() < 0.1 else rng.randrange(5000)
        event = PipelineEvent(
            event_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            event_type=rng.choice(EVENT_TYPES),
            timestamp=timestamp,
            artifact_id=f"art_{rng.randrange(100)}",
            organization_id=rng.choice(["a", "b", None]),
        )
        found.append((min(timestamp + late_ms, end_ms), event))
    return sorted(found, key=lambda pair: pair[0])


async def test_a_log_of_five_days_gives_every_hour_and_day(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str
) -> None:
    settings = worker_settings(
        kafka_bootstrap, clickhouse, unique_prefix,
        kafka={"timestamp_type": "CreateTime", "partitions": 1},
        rollup={"interval_seconds": 0.5, "settle_seconds": 0.5},
    )  # fmt: skip
    now = time.time_ns() // 1_000_000
    end_ms = now - now % HOUR_MS
    first_ms = now - DOWN_MS
    log = appended(first_ms, now)
    await prepare_topics(settings.kafka, TABLES)
    records = [((event.artifact_id or "").encode(), encode_event(event), at) for at, event in log]
    await produce(kafka_bootstrap, Topics(unique_prefix).events, records)
    events = [event for _, event in log]
    async with running_worker(settings) as worker:
        await eventually(lambda: not worker.view.not_ready(), "the worker is ready")
        wrong: list[object] = ["nothing is computed yet"]

        async def is_right() -> bool:
            wrong[:] = await asyncio.to_thread(compared, settings, events, first_ms - first_ms % HOUR_MS, end_ms)
            return not wrong

        try:
            await eventually(is_right, "every hour and day of the log", 180)
        except AssertionError as error:
            raise AssertionError(f"{error}: {wrong[:5]}") from error


def compared(settings: Settings, events: list[PipelineEvent], first_ms: int, end_ms: int) -> list[object]:
    """What is wrong in the snapshots; all of them while there are none yet."""
    client = connect(settings.clickhouse)
    try:
        return differences(client, events, first_ms, end_ms)
    finally:
        client.close()
