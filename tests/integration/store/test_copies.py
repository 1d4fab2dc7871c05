"""Copies of an event that came through different partitions: every answer is about the one first in the log."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.artifact_refresh import ArtifactRefresh
from app.queries.artifacts import artifact
from app.queries.events import EventsParameters, recent_events
from app.queries.history import historical_metrics
from app.queries.stored_event import StoredEvent
from app.queries.timeline import ArtifactParameters, timeline
from app.runtime.settings import Settings
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import HOUR, MIDNIGHT, ManualClock, run

pytestmark = pytest.mark.clickhouse

# The later copy has the smaller partition and offset.
FIRST = {"source_partition": 3, "metadata": {"claimCount": 1}, "coachUserId": "first"}
LATER = {
    "source_partition": 0,
    "append_time_ms": 1771113727001,
    "metadata": {"claimCount": 2},
    "coachUserId": "later",
}


@pytest.mark.parametrize("copies", [(FIRST, LATER), (LATER, FIRST)])
def test_every_answer_is_about_the_copy_first_in_the_log(
    store: Client, settings: Settings, roll_up: RollUp, clock: ManualClock, copies: tuple[dict[str, Any], ...]
) -> None:
    for offset, copy in enumerate(copies):
        insert(store, [event_line(9 - offset, **copy)])
        run(roll_up, clock)
        ArtifactRefresh(store, settings.clickhouse).run_once()

    def shown(events: list[StoredEvent]) -> list[tuple[Any, int | None]]:
        return [(event.coach_user_id, event.metadata and event.metadata.claim_count) for event in events]

    own = ArtifactParameters(artifact_id="art_1")
    now = MIDNIGHT + HOUR
    assert shown(recent_events(store, EventsParameters(), now).page) == [("first", 1)]
    assert shown(timeline(store, own, now).events) == [("first", 1)]
    state = artifact(store, own, now)
    assert (state.coach_user_id, state.claim_count) == ("first", 1)
    [hour] = historical_metrics(store, "hourly", MIDNIGHT, MIDNIGHT, None, now)
    [day] = historical_metrics(store, "daily", MIDNIGHT, MIDNIGHT, None, clock.now)
    for row in (hour, day):
        assert (row.claims_extraction_successes, row.total_claims_extracted) == (1, 1)
