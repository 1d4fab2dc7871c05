"""Copies of an event that came through different partitions: every answer is about the one first in the log."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client
from msgspec import UNSET

from agents.roll_up import RollUp
from app.artifact_cleanup import TABLES, ArtifactCleanup
from app.artifact_refresh import ArtifactRefresh
from app.audit.report import Report
from app.audit.row_content import content_of_event
from app.audit.store_check import ExpectedRows, Scope, compare_store
from app.copies import CopyRemoval
from app.domain.event_model import AgeLimits, Anomalies
from app.domain.lenient_decode import decode_leniently
from app.minute_figures import MinuteFigures
from app.queries.artifacts import ArtifactsParameters, artifact, artifacts
from app.queries.distributions import funnel
from app.queries.errors import NotFound
from app.queries.events import EventsParameters, recent_events
from app.queries.fields import Parameters, RangeParameters
from app.queries.history import historical_metrics
from app.queries.minutes import minutes
from app.queries.overview import overview
from app.queries.stored_event import StoredEvent
from app.queries.timeline import ArtifactParameters, timeline
from app.runtime.settings import RetentionSettings, Settings
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import DAY, HOUR, MIDNIGHT, ManualClock, run

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


KEYS_OF_THEIR_OWN = [
    {"timestamp": 1771113726916 + 2 * HOUR, "source_partition": 1, "append_time_ms": 1771120927000},
    {"organizationId": "org_9", "source_partition": 2, "append_time_ms": 1771113727001},
]


@pytest.mark.parametrize("is_first_stored_last", [False, True])
def test_copies_under_keys_of_their_own_are_removed_and_their_hours_computed_again(
    store: Client, settings: Settings, tmp_path: Path, is_first_stored_last: bool
) -> None:
    clock = ManualClock(MIDNIGHT + DAY)
    roll_up = RollUp(store, settings, clock)
    stage = {"pipelineStage": "claims_extraction"}
    lines = [event_line(9, **stage, **FIRST)] + [event_line(5, **stage, **copy) for copy in KEYS_OF_THEIR_OWN]
    other = event_line(6, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", source_partition=1, **stage)
    for line in [*(reversed(lines) if is_first_stored_last else lines), other]:
        insert(store, [line])
    run(roll_up, clock)
    figures = MinuteFigures(store, settings, clock)
    assert figures.run_once() == 2
    assert CopyRemoval(store, settings).run_once() == 2
    again = run(roll_up, clock)
    assert (again.hours, again.days) == ((MIDNIGHT, MIDNIGHT + 2 * HOUR), (MIDNIGHT,))
    ArtifactRefresh(store, settings.clickhouse).run_once()
    figures.run_once()

    now = MIDNIGHT + 3 * HOUR
    for start, reached in ((MIDNIGHT, 1), (MIDNIGHT + 2 * HOUR, 0)):
        span = RangeParameters(start_time=start, end_time=start + HOUR - 1)
        assert [stage.artifacts for stage in funnel(store, span, now).stages] == [0, 0, reached, 0, 0, 0]
        claims = sum(row.claims_extraction_successes for row in minutes(store, span, now).minutes)
        assert claims == 2 * reached
    wanted = {lines[0]["eventId"]: "first", other["eventId"]: UNSET}
    for events in (
        recent_events(store, EventsParameters(), now).page,
        timeline(store, ArtifactParameters(artifact_id="art_1"), now).events,
    ):
        assert {event.event_id: event.coach_user_id for event in events} == wanted
        assert len(events) == len(wanted)
    rows = historical_metrics(store, "hourly", MIDNIGHT, clock.now, None, clock.now)
    rows += historical_metrics(store, "daily", MIDNIGHT, MIDNIGHT, None, clock.now)
    assert [row.total_claims_extracted for row in rows] == [5] + [0] * 23 + [5]
    assert historical_metrics(store, "hourly", MIDNIGHT, clock.now, "org_9", clock.now) == []
    assert CopyRemoval(store, settings).run_once() == 0
    assert audited(settings, [*lines, other], tmp_path) == (2, 0, [])


def of_other_artifact(offset: int, **changes: Any) -> dict[str, Any]:
    return event_line(offset, source_partition=1, append_time_ms=1771113727001, artifactId="art_copy", **changes)


def names(store: Client, table: str) -> set[str]:
    return {artifact_id for (artifact_id,) in store.query(f"SELECT DISTINCT artifactId FROM {table}").result_rows}


def test_an_artifact_that_only_a_copy_named_is_gone(store: Client, settings: Settings) -> None:
    kind = {"eventType": "artifact_received", "metadata": {"aiCost": 1.5}}
    lines = [event_line(1, **kind), of_other_artifact(2, **kind)]
    for line in reversed(lines):
        insert(store, [line])
    refresh = ArtifactRefresh(store, settings.clickhouse)
    refresh.run_once()
    now = MIDNIGHT + HOUR
    assert overview(store, Parameters(), now).active_artifacts == 2
    assert CopyRemoval(store, settings).run_once() == 1
    refresh.run_once()
    assert overview(store, Parameters(), now).active_artifacts == 1
    assert [row.artifact_id for row in artifacts(store, ArtifactsParameters(), now).page] == ["art_1"]
    with pytest.raises(NotFound):
        artifact(store, ArtifactParameters(artifact_id="art_copy"), now)
    assert timeline(store, ArtifactParameters(artifact_id="art_copy"), now).events == []
    assert names(store, "artifacts_live") == {"art_1"}
    [state, copied] = store.query(
        "SELECT artifactId, length(minMap(events)) FROM artifact_state GROUP BY artifactId ORDER BY artifactId"
    ).result_rows
    assert (state, copied) == (("art_1", 1), ("art_copy", 0))
    assert store.query("SELECT min(receipt) FROM artifact_marks WHERE artifactId = 'art_copy'").result_rows == [("~",)]

    # What is left of it is too old for any retention.
    clock = ManualClock(time.time_ns() // 1_000_000 + 90 * DAY + 2 * DAY)
    plain = settings.model_copy(update={"retention": RetentionSettings()})
    deadline = time.monotonic() + 60
    while ArtifactCleanup(store, plain, clock).run_once():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {table for table in TABLES if "art_copy" in names(store, table)} == set()


def test_an_artifact_that_only_a_copy_named_comes_back_with_an_event_of_its_own(
    store: Client, settings: Settings
) -> None:
    insert(store, [event_line(1), of_other_artifact(2)])
    refresh = ArtifactRefresh(store, settings.clickhouse)
    refresh.run_once()
    CopyRemoval(store, settings).run_once()
    refresh.run_once()
    insert(store, [of_other_artifact(3, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12")])
    refresh.run_once()
    assert artifact(store, ArtifactParameters(artifact_id="art_copy"), MIDNIGHT + HOUR).claim_count == 4


def test_what_becomes_visible_after_its_copy_was_removed_is_removed_by_the_next_look(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"eventType": "artifact_received", "metadata": {}}
    insert(store, [event_line(1, **kind), of_other_artifact(2, organizationId="org_9", **kind)])
    for table in ("artifact_marks", "artifact_state", "artifact_hours"):
        store.command(f"CREATE TABLE {table}_late AS {table}")
        store.command(f"INSERT INTO {table}_late SELECT * FROM {table}")
        store.command(f"TRUNCATE TABLE {table}")
    removal = CopyRemoval(store, settings)
    assert removal.run_once() == 1
    assert removal.is_unfinished()
    for table in ("artifact_marks", "artifact_state", "artifact_hours"):
        store.command(f"INSERT INTO {table} SELECT * FROM {table}_late")
    monkeypatch.setattr("app.copies.ON_THEIR_WAY_MS", 0)
    removal.run_once()
    assert not removal.is_unfinished()
    held = store.query("SELECT artifactId, length(minMap(events)) FROM artifact_state GROUP BY artifactId ORDER BY 1")
    assert held.result_rows == [("art_1", 1), ("art_copy", 0)]
    assert store.query("SELECT DISTINCT artifactId FROM artifact_marks WHERE receipt != '~'").result_rows == [
        ("art_1",)
    ]
    assert store.command("SELECT count() FROM artifact_hours WHERE organizationId = 'org_9'") == 0


def test_the_breaker_is_as_before_a_copy_also_if_the_events_before_are_gone(store: Client, settings: Settings) -> None:
    quiet = {"artifactId": "", "metadata": {}}
    opened = {"eventId": "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", "eventType": "circuit_breaker_opened"}
    insert(store, [event_line(1, timestamp=MIDNIGHT - HOUR, **quiet, **opened)])
    store.command("ALTER TABLE events DROP PARTITION ALL")
    copy = event_line(2, eventType="circuit_breaker_closed", append_time_ms=1771113727001, source_partition=1, **quiet)
    insert(store, [event_line(1, eventType="budget_exceeded", **quiet), copy])
    assert overview(store, Parameters(), MIDNIGHT + HOUR).breaker_state == "closed"
    assert CopyRemoval(store, settings).run_once() == 1
    found = overview(store, Parameters(), MIDNIGHT + HOUR)
    assert (found.breaker_state, found.breaker_since) == ("open", MIDNIGHT - HOUR)


def test_ids_that_are_no_artifacts_are_left_alone(store: Client, settings: Settings) -> None:
    insert(store, [event_line(1), of_other_artifact(2), of_other_artifact(3, organizationId="org_9")])
    store.insert("overgrown_artifacts", [["art_copy"]], column_names=["artifactId"])
    assert CopyRemoval(store, settings).run_once() == 1
    assert CopyRemoval(store, settings).run_once() == 0
    assert store.query("SELECT source_offset FROM events FINAL").result_rows == [(1,)]
    assert names(store, "artifact_state") == {"art_1", "art_copy"}


def audited(settings: Settings, lines: list[dict[str, Any]], folder: Path) -> tuple[int, int | None, list[str]]:
    """What an audit of this log says of the store: removed copies, ids under several keys, differences."""
    expected, report = ExpectedRows(folder), Report(None, None)
    for line in lines:
        event = decode_leniently(orjson.dumps(line), line["append_time_ms"], AgeLimits(), Anomalies())
        place = (line["source_partition"], line["source_offset"], line["append_time_ms"])
        expected.add(content_of_event(event, *place), must_be_there=True)
    hours = compare_store(settings.clickhouse, expected, Scope(None, None, 0, {}), report, lambda _: None)
    expected.close()
    assert all(hour.expected == hour.stored for hour in hours)
    return report.notes.removed_copies, report.notes.id_conflicts, [one.text for one in report.differences.listed]
