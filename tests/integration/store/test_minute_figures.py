"""What is kept of single minutes, and answers that are made of it, against plain Python over the events."""

import pytest
from clickhouse_connect.driver.client import Client

from app.artifact_refresh import ArtifactRefresh
from app.domain.recount import recount
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.minute_figures import MinuteFigures
from app.queries.fields import Parameters, RangeParameters
from app.queries.known_minutes import KnownMinutes, Stretch
from app.queries.minutes import minutes
from app.queries.overview import overview
from app.runtime.settings import RetentionSettings, Settings
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.templates import migrations
from tests.integration.store.rows import event_line, insert, line_of
from tests.integration.store.test_overview_queries import (
    NOW,
    WHOLE,
    distributions_equal,
    minutes_equal,
    overview_equals,
    plain,
)
from tests.integration.store.test_roll_up import ManualClock
from tests.sample_log import read_log

AT = NOW - HOUR_MS


@pytest.mark.clickhouse
def test_answers_are_the_same_whatever_is_kept(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = recount(read_log("events.ndjson")).accepted
    events = [each.event for each in accepted]
    lines = [line_of(each) for each in accepted]
    clock = ManualClock(NOW + 17_000)
    first, second = (MinuteFigures(store, settings, clock) for _ in range(2))
    insert(store, lines[600:])
    assert first.run_once() > 100
    insert(store, lines[:1000])  # some minutes have got more, some the same again, some are new
    ArtifactRefresh(store, settings.clickhouse).run_once()
    overview_equals(plain(overview(store, Parameters(), NOW)), events, None)
    assert second.run_once() > 100
    assert first.run_once() == second.run_once() == 0
    for organization_id in (None, "org_001"):
        scope = {"organization_id": organization_id}
        own = [event for event in events if organization_id in {None, event.organization_id}]
        overview_equals(plain(overview(store, Parameters(**scope), NOW)), events, organization_id)
        minutes_equal(store, events, organization_id, monkeypatch)
        distributions_equal(store, events, own, RangeParameters(**WHOLE, **scope))
    # A range that begins and ends within minutes.
    inner = {"start_time": WHOLE["start_time"] + 90_001, "end_time": NOW - 3 * HOUR_MS + 12_345}
    inside = [event for event in events if inner["start_time"] <= event.timestamp <= inner["end_time"]]
    distributions_equal(store, events, inside, RangeParameters(**inner))


@pytest.mark.clickhouse
def test_a_late_event_changes_what_is_kept_of_other_minutes(store: Client, settings: Settings) -> None:
    figures = MinuteFigures(store, settings, ManualClock(NOW))
    insert(store, [event_line(1, eventType="artifact_completed", timestamp=AT, metadata={})])
    assert figures.run_once() == 1
    receipt = event_line(2, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", eventType="artifact_received")
    insert(store, [receipt | {"timestamp": AT - 5 * MINUTE_MS, "metadata": {"sourceChannel": "voicemail"}}])
    span = RangeParameters(start_time=AT - 5 * MINUTE_MS, end_time=AT)
    shown = minutes(store, span, NOW).minutes
    assert [row.artifacts_received for row in shown] == [1, 0, 0, 0, 0, 0]
    assert figures.run_once() == 2
    shown = minutes(store, span, NOW).minutes
    assert (shown[-1].end_to_end_samples, shown[-1].avg_end_to_end_latency) == (1, 5 * MINUTE_MS)
    assert store.query("SELECT minute FROM minute_figures FINAL WHERE scope = 'platform'").row_count == 2
    assert figures.run_once() == 0


@pytest.mark.clickhouse
def test_minutes_that_were_kept_without_times_are_worked_out_again(store: Client, settings: Settings) -> None:
    figures = MinuteFigures(store, settings, ManualClock(NOW))
    good = {
        "eventType": "drafts_generated",
        "pipelineStage": "draft_generation",
        "durationMs": 7,
        "organizationId": "o",
    }
    insert(store, [event_line(1, timestamp=AT, metadata={"aiCost": 0.5, "aiModel": "m"}, **good)])
    assert figures.run_once() == 1
    seen = "SELECT draftGenerationTimes, costs FROM minute_figures FINAL ORDER BY scope"
    kept = store.query(seen).result_rows
    assert [(list(times), [tuple(cost.values()) for cost in costs]) for times, costs in kept] == [
        ([7], [("draft_generation", "m", 0.5)])
    ] * 2
    store.command("ALTER TABLE minute_figures UPDATE has_times = false WHERE 1 SETTINGS mutations_sync = 1")
    assert figures.run_once() == 1
    assert store.query(seen).result_rows == kept
    assert figures.run_once() == 0


@pytest.mark.clickhouse
def test_the_circuit_breaker_is_known_for_longer_than_its_events(store: Client, settings: Settings) -> None:
    migrate(store, settings.model_copy(update={"retention": RetentionSettings()}))
    kind = {"artifactId": "", "metadata": {}, "eventType": "circuit_breaker_opened"}
    insert(store, [event_line(1, timestamp=AT, **kind)])
    older = {"eventId": "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", "eventType": "circuit_breaker_closed"}
    insert(store, [event_line(2, timestamp=AT - 1, **(kind | older))])
    store.command("ALTER TABLE events DROP PARTITION ALL")
    found = overview(store, Parameters(), NOW + 1000 * HOUR_MS)
    assert (found.breaker_state, found.breaker_since) == ("open", AT)
    half = {"eventId": "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c13", "newStatus": "half_open"}
    insert(store, [event_line(3, timestamp=AT + 1, **(kind | half))])
    assert overview(store, Parameters(), NOW).breaker_state == "half_open"


@pytest.mark.clickhouse
def test_what_was_known_of_the_circuit_breaker_is_taken_over(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = [migration for migration in migrations() if migration.number < 90]
    with monkeypatch.context() as patch:
        patch.setattr("sinks.clickhouse.schema.migrations", lambda: older)
        migrate(client, settings)
    kind = {"artifactId": "", "metadata": {}, "eventType": "circuit_breaker_opened"}
    insert(client, [event_line(1, timestamp=AT, **kind)])
    client.command("ALTER TABLE events DROP PARTITION ALL")
    migrate(client, settings)
    found = overview(client, Parameters(), NOW)
    assert (found.breaker_state, found.breaker_since) == ("open", AT)
    assert client.query("EXISTS TABLE breaker_state").result_rows == [(0,)]


def test_a_range_is_made_of_what_is_kept_and_of_few_stretches() -> None:
    numbers = range(2, 18)
    minutes_ms = [number * MINUTE_MS for number in numbers]
    known = KnownMinutes(minutes_ms, [number not in {3, 4, 8, 12, 15} for number in numbers], {"number": numbers})
    parts = known.parts(2 * MINUTE_MS + 1, 18 * MINUTE_MS)
    # 2 is not whole, 3 and 4 follow it, the two closest ones are joined.
    assert parts.stretches == [
        Stretch(2 * MINUTE_MS + 1, 5 * MINUTE_MS),
        Stretch(8 * MINUTE_MS, 9 * MINUTE_MS),
        Stretch(12 * MINUTE_MS, 16 * MINUTE_MS),
    ]
    assert known.values("number", parts) == [5, 6, 7, 9, 10, 11, 16, 17]
    assert known.parts(2 * MINUTE_MS + 1, 2 * MINUTE_MS + 5) == ([], [Stretch(2 * MINUTE_MS + 1, 2 * MINUTE_MS + 5)])
    assert known.parts(5 * MINUTE_MS, 5 * MINUTE_MS) == ([], [])
    assert KnownMinutes([], [], {}).parts(1, 2) == ([], [])
