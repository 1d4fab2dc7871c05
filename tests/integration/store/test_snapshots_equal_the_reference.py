"""The store's SQL and the plain Python of the figures, written apart from each other, agree on any log."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.domain.event_model import Anomalies, Metadata, PipelineEvent, settle_derived
from app.domain.event_types import EVENT_TYPES
from app.domain.recount import AcceptedEvent
from app.domain.rollups import PeriodType, snapshots
from app.domain.windows import DAY_MS, HOUR_MS
from app.runtime.settings import Settings
from tests.integration.store.rows import insert, line_of

pytestmark = pytest.mark.clickhouse

YEAR_END = 1767139200000  # 2025-12-31T00:00Z
# Around midnight of the new year, and 23:59:59.999 and 00:00:00.000, where a leap second would be put in.
EDGES = [YEAR_END, YEAR_END + DAY_MS - 1, YEAR_END + DAY_MS, YEAR_END + DAY_MS + HOUR_MS, YEAR_END + 2 * DAY_MS - 1]
PERIODS: list[PeriodType] = ["hourly", "daily"]


@dataclass
class StandingClock:
    now: int = YEAR_END + 2 * DAY_MS

    def now_ms(self) -> int:
        return self.now


def random_event(rng: random.Random) -> PipelineEvent:
    def maybe(value: Any) -> Any:
        return value if rng.random() < 0.5 else None

    timestamp = rng.choice(EDGES) if rng.random() < 0.1 else YEAR_END + rng.randrange(2 * DAY_MS)
    event = PipelineEvent(
        event_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        event_type=rng.choice(EVENT_TYPES),
        timestamp=timestamp,
        artifact_id=f"art_{rng.randrange(40)}" if rng.random() < 0.95 else None,
        organization_id=maybe(rng.choice(["a", "b", "c"])),
        stage_started_at=maybe(timestamp - rng.randrange(-1000, 9000)),
        stage_completed_at=maybe(timestamp + rng.randrange(500)),
        duration_ms=maybe(rng.choice([-1, 0, 5000, 48 * HOUR_MS + 1])),
        previous_status=maybe("needs_disambiguation"),
        metadata=maybe(
            Metadata(
                confidence_score=maybe(rng.randrange(101) / 100),
                claim_count=maybe(rng.randrange(9)),
                entity_count=maybe(rng.randrange(9)),
                draft_count=maybe(rng.randrange(9)),
                auto_resolved_count=maybe(rng.randrange(9)),
                ai_cost=maybe(rng.randrange(10**6) / 10**7),
            )
        ),
    )
    settle_derived(event, Anomalies())
    return event


def batches_of(rng: random.Random, events: list[PipelineEvent]) -> list[list[dict[str, Any]]]:
    """The events in any order, some repeated, split at random places."""
    lines = [line_of(AcceptedEvent(n, 0, n, YEAR_END, event)) for n, event in enumerate(events)]
    sent = lines + rng.sample(lines, len(lines) // 5)
    rng.shuffle(sent)
    cuts = sorted(rng.sample(range(1, len(sent)), 2))
    return [sent[: cuts[0]], sent[cuts[0] : cuts[1]], sent[cuts[1] :]]


def differences(client: Client, events: list[PipelineEvent], period_type: PeriodType) -> list[Any]:
    wanted = snapshots(events, period_type, YEAR_END, YEAR_END + 2 * DAY_MS)
    question = f"SELECT *, toUnixTimestamp(periodStart) * 1000 AS start_ms FROM snapshots_{period_type}_figures"
    found = {(row["start_ms"], row["organizationId"] or None): row for row in client.query(question).named_results()}
    missing = [("rows", key) for key in found.keys() ^ wanted.keys()]
    return missing + [
        (key, name, found[key][name], value)
        for key, row in wanted.items()
        if key in found
        for name, value in row.items()
        if found[key][name] != pytest.approx(value, rel=1e-9, abs=1e-9)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_any_order_repetition_and_lateness_with_runs_in_between_give_the_reference(
    store: Client, settings: Settings, seed: int
) -> None:
    rng = random.Random(seed)
    clock = StandingClock()
    roll_up = RollUp(store, settings, clock)
    events = [random_event(rng) for _ in range(400)]
    # An event at the start, so that every hour is one that can have figures.
    events.append(PipelineEvent(event_id=str(uuid.UUID(int=seed + 1)), event_type="rate_limit_hit", timestamp=YEAR_END))
    for batch in batches_of(rng, events):
        insert(store, batch)
        roll_up.run_once(clock.now)
    assert [found for period in PERIODS for found in differences(store, events, period)] == []
    again = roll_up.run_once(clock.now)
    assert (again.hours, again.days) == ((), ())


@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Apia"])
def test_a_session_in_another_time_zone_computes_and_reads_the_same_rows(
    new_client: Callable[[], Client], store: Client, settings: Settings, zone: str
) -> None:
    rng = random.Random(zone)
    events = [random_event(rng) for _ in range(60)]
    events.append(PipelineEvent(event_id=str(uuid.UUID(int=1)), event_type="rate_limit_hit", timestamp=YEAR_END))
    insert(store, [line_of(AcceptedEvent(n, 0, n, YEAR_END, event)) for n, event in enumerate(events)])
    elsewhere = new_client()
    elsewhere.set_client_setting("session_timezone", zone)
    try:
        RollUp(elsewhere, settings, StandingClock()).run_once(StandingClock().now)
        assert [found for period in PERIODS for found in differences(elsewhere, events, period)] == []
    finally:
        elsewhere.close()
