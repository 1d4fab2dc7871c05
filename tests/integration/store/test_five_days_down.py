"""Rows as they lie in the store when a worker comes back after five days, with the default retention of its tables."""

import random
import time
import uuid

import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.domain.event_model import PipelineEvent
from app.domain.event_types import EVENT_TYPES
from app.domain.windows import DAY_MS, HOUR_MS
from app.runtime.settings import RetentionSettings, RollupSettings, Settings
from sinks.clickhouse.schema import migrate
from tests.integration.store.reference import differences, lines_of
from tests.integration.store.rows import filled_tables, insert
from tests.integration.store.snapshots import ManualClock

pytestmark = pytest.mark.clickhouse

DOWN_MS = 5 * DAY_MS


def event(rng: random.Random, timestamp: int) -> PipelineEvent:
    """Artifacts live long, so that most hours depend on others."""
    return PipelineEvent(
        event_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        event_type=rng.choice(EVENT_TYPES),
        timestamp=timestamp,
        artifact_id=f"art_{rng.randrange(60)}",
        organization_id=rng.choice(["a", "b", None]),
    )


def stored_at(timestamp: int) -> str:
    return f"{timestamp // 1000}.{timestamp % 1000:03}"


def test_every_hour_and_day_is_caught_up_the_hour_of_the_stop_included(client: Client, settings: Settings) -> None:
    plain = settings.model_copy(update={"retention": RetentionSettings(), "rollup": RollupSettings(settle_seconds=0)})
    migrate(client, plain)
    now = time.time_ns() // 1_000_000
    # In the middle of an hour, so that part of its events came before.
    stop = now - DOWN_MS - (now - DOWN_MS) % HOUR_MS + HOUR_MS // 2
    first = stop - stop % HOUR_MS - 3 * HOUR_MS
    rng = random.Random(5)
    events = [event(rng, first)] + [event(rng, rng.randrange(first, now - HOUR_MS)) for _ in range(700)]
    before = [event for event in events if event.timestamp < stop]
    assert any(stop - stop % HOUR_MS <= event.timestamp for event in before), "part of the hour of the stop is stored"

    clock = ManualClock(stop)
    insert(client, [line | {"stored_at": stored_at(line["timestamp"] + 1000)} for line in lines_of(before, stop)])
    assert len(RollUp(client, plain, clock).run_once(stop).hours) == 3
    for table in filled_tables(client):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    insert(client, [line for line in lines_of(events, now) if line["timestamp"] >= stop])

    clock.now = now
    RollUp(client, plain, clock).run_once(now)
    for table in filled_tables(client):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    assert differences(client, events, first, now - now % HOUR_MS) == []
    again = RollUp(client, plain, clock).run_once(now)
    assert (again.hours, again.days) == ((), ())
