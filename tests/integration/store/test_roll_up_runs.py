"""Runs of the roll-up: what they leave out, what fails, and several at once."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs

from agents.roll_up import RollUp, RollUpResult
from app.audit.frozen_rows import frozen_rows
from app.queries.history import PeriodType, historical_metrics
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import RetentionSettings, Settings
from app.runtime.telemetry import Telemetry
from app.snapshots import CountedRollUps
from sinks.clickhouse.schema import migrate
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import DAY, HOUR, MIDNIGHT, ManualClock, Refusing, rows, run

pytestmark = pytest.mark.clickhouse


def test_frozen_periods_are_never_computed(store: Client, settings: Settings, clock: ManualClock) -> None:
    narrow = settings.model_copy(update={"retention": RetentionSettings(events_hours=48, max_outage_hours=24)})
    insert(
        store, [event_line(1), event_line(2, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", timestamp=MIDNIGHT + DAY)]
    )
    clock.now = MIDNIGHT + DAY + 72 * HOUR
    found = RollUp(store, narrow, clock).run_once(clock.now)
    assert (found.hours[0], found.days[0]) == (MIDNIGHT + DAY, MIDNIGHT + DAY)
    assert RollUp(store, narrow, clock).recompute(0, clock.now, dry_run=True).hours[0] == MIDNIGHT + DAY
    insert(store, [event_line(3, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c13", timestamp=MIDNIGHT + DAY)])
    assert frozen_rows(narrow, clock) == {MIDNIGHT: 1}, "named: in no snapshot; those of later hours will be"
    clock.now -= 1
    assert RollUp(store, narrow, clock).run_once(clock.now).hours[0] == MIDNIGHT


def test_a_longer_retention_brings_no_figures_of_deleted_events(store: Client, settings: Settings) -> None:
    def keeping(hours: int) -> Settings:
        return settings.model_copy(update={"retention": RetentionSettings(max_outage_hours=hours)})

    now = time.time_ns() // 1_000_000
    day = now - now % DAY - 12 * DAY
    insert(store, [event_line(1, timestamp=day)])
    assert RollUp(store, settings, ManualClock(day + DAY)).run_once(day + DAY).days == (day,)
    migrate(store, keeping(24))
    for table in ("events", "snapshots_hourly", "hourly_figures"):
        store.command(f"TRUNCATE TABLE {table}")
    for _ in range(2):  # the second time after another change
        migrate(store, keeping(480))
        found = RollUp(store, keeping(480), ManualClock(now)).run_once(now)
        assert [day for day in found.days if day < now - 72 * HOUR - DAY] == []
        [kept] = historical_metrics(store, "daily", day, day, None, now)
        assert kept.total_claims_extracted == 4
        migrate(store, keeping(0))


def counted(telemetry: Telemetry, name: str) -> float:
    samples = [sample for family in telemetry.registry.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


def test_a_period_that_fails_is_logged_counted_and_tried_again_and_the_others_go_on(
    store: Client, settings: Settings, clock: ManualClock
) -> None:
    telemetry = Telemetry()
    told = CountedRollUps(telemetry)
    insert(store, [event_line(1)])
    failing = MIDNIGHT + 5 * HOUR
    broken: Any = Refusing(store, failing // 1000)
    for attempt in (1, 2):
        with capture_logs() as lines:
            result = RollUp(broken, settings, clock, told).run_once(clock.now)
        [line] = [line for line in lines if line["log_level"] == "error"]
        assert (line["period_type"], line["period_start"]) == ("hourly", failing)
        assert "Memory limit exceeded" in line["reason"]
        assert counted(telemetry, "voicemon_rollup_failures_total") == attempt
        assert len(result.hours) == (23 if attempt == 1 else 0)
        assert result.days == (), "a day waits for all its hours"
    shown = historical_metrics(store, "hourly", MIDNIGHT, clock.now, None, clock.now)
    assert [row.complete for row in shown] == [True] * 5 + [False] * 18, "nothing after a gap is called complete"
    repaired = RollUp(store, settings, clock, told).run_once(clock.now)
    assert (repaired.hours, repaired.days) == ((failing,), (MIDNIGHT,))
    assert all(row.complete for row in historical_metrics(store, "hourly", MIDNIGHT, clock.now, None, clock.now))
    assert counted(telemetry, "voicemon_rollup_failures_total") == 2


def test_an_hour_that_takes_longer_than_a_request_may_stops_no_other(
    store: Client, settings: Settings, clock: ManualClock
) -> None:
    insert(store, [event_line(1)])
    failing = MIDNIGHT + 5 * HOUR
    slow: Any = Refusing(store, failing // 1000, SinkUnavailable("no answer in time"))
    result = RollUp(slow, settings, clock).run_once(clock.now)
    assert result.failed == (("hourly", failing),)
    assert len(result.hours) == 23
    # With the store itself away the run ends: each period would wait for its answer.
    gone: Any = SimpleNamespace(query=store.query, command=slow.command)
    roll_up = RollUp(gone, settings, clock)

    def answer_no_more(*_: Any, **__: Any) -> None:
        gone.query = slow_query
        raise SinkUnavailable("no answer in time")

    def slow_query(*_: Any, **__: Any) -> None:
        raise SinkUnavailable("no answer")

    gone.command = answer_no_more
    with pytest.raises(SinkUnavailable, match=r"no answer$"):
        roll_up.run_once(clock.now)


@pytest.mark.parametrize("period_type", ["hourly", "daily"])
def test_a_period_whose_figures_were_not_written_is_computed_again(
    store: Client, settings: Settings, clock: ManualClock, period_type: PeriodType
) -> None:
    insert(store, [event_line(1)])
    clock.now = MIDNIGHT + DAY
    # The snapshot itself is stored by then: the figures that readers see are made of it.
    store.command(f"ALTER TABLE {period_type}_figures ADD CONSTRAINT a_test CHECK artifactsReceived != 0")
    failed = RollUp(store, settings, clock).run_once(clock.now).failed
    assert {kind for kind, _ in failed} == {period_type}
    assert store.command(f"SELECT count() > 0 FROM snapshots_{period_type}") == 1
    store.command(f"ALTER TABLE {period_type}_figures DROP CONSTRAINT a_test")
    RollUp(store, settings, clock).run_once(clock.now)
    shown = historical_metrics(store, period_type, MIDNIGHT, clock.now, None, clock.now)
    assert sum(row.total_claims_extracted for row in shown) == 4
    again = RollUp(store, settings, clock).run_once(clock.now)
    assert (again.hours, again.days) == ((), ())


@pytest.mark.parametrize("period_type", ["hourly", "daily"])
def test_a_statement_that_ends_half_way_leaves_no_period_without_its_organisations(
    store: Client, settings: Settings, clock: ManualClock, period_type: PeriodType
) -> None:
    organizations = [f"org_{number}" for number in range(6)]
    lines = [event_line(at, eventId=str(uuid.uuid4()), organizationId=name) for at, name in enumerate(organizations)]
    insert(store, lines)
    # Rows go to the table in blocks, which are large as a rule; one of them fails, whichever comes last.
    for name in ("max_block_size", "min_insert_block_size_rows", "max_threads"):
        store.set_client_setting(name, 1)
    broken = f"ALTER TABLE snapshots_{period_type} ADD CONSTRAINT a_test CHECK organizationId NOT IN ('org_3', 'org_4')"
    store.command(broken)
    assert RollUp(store, settings, clock).run_once(clock.now).failed
    store.command(f"ALTER TABLE snapshots_{period_type} DROP CONSTRAINT a_test")
    RollUp(store, settings, clock).run_once(clock.now)
    for name in organizations:
        shown = historical_metrics(store, period_type, MIDNIGHT, MIDNIGHT, name, clock.now)
        assert [row.total_claims_extracted for row in shown] == [4], name


def test_two_workers_at_once_give_the_same_single_rows(
    store: Client, new_client: Callable[[], Client], settings: Settings, clock: ManualClock
) -> None:
    insert(store, [event_line(1, organizationId="org_1")])
    start = threading.Barrier(2)

    def work() -> RollUpResult:
        own = new_client()
        start.wait(10)
        try:
            return RollUp(own, settings, clock).recompute(MIDNIGHT, clock.now)
        finally:
            own.close()

    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(work) for _ in range(2)]:
            assert len(result.result(60).hours) == 24
    found = rows(store, "hourly")
    assert len(found) == 25
    assert found[MIDNIGHT, "org_1"]["totalClaimsExtracted"] == 4
    assert len(rows(store, "daily")) == 2


def test_an_hour_computed_too_soon_after_its_last_row_is_computed_again(
    store: Client, settings: Settings, clock: ManualClock
) -> None:
    insert(store, [event_line(1)])
    roll_up = RollUp(store, settings, clock)
    assert MIDNIGHT in run(roll_up, clock).hours
    # A settling time that had not passed when the hour was computed, and has passed now.
    [(delay,)] = store.query(
        "SELECT date_diff('millisecond', input_max_stored, computed_at) FROM snapshots_hourly "
        "WHERE scope = 'platform' AND events = 1"
    ).result_rows
    patient = settings.model_copy(
        update={"rollup": settings.rollup.model_copy(update={"settle_seconds": (delay + 50) / 1000})}
    )
    roll_up = RollUp(store, patient, clock)
    deadline = time.monotonic() + 10
    while (again := run(roll_up, clock).hours) == () and time.monotonic() < deadline:
        pass
    assert again == (MIDNIGHT,)
    assert run(roll_up, clock).hours == ()


def test_a_run_looks_at_artifacts_that_changed_since_the_last_one_and_at_all_when_more_hours_are_closed(
    store: Client, roll_up: RollUp, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed_ms, received_ms = MIDNIGHT + 5 * HOUR, MIDNIGHT + 4 * HOUR
    insert(store, [event_line(1, eventType="artifact_completed", timestamp=completed_ms)])
    run(roll_up, clock)
    monkeypatch.setattr("agents.roll_up.OVERLAP_MS", -HOUR)  # as if what comes now had been looked at
    other = "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12"
    insert(store, [event_line(2, eventId=other, eventType="artifact_received", timestamp=received_ms)])
    assert run(roll_up, clock).hours == (received_ms,)
    clock.now += HOUR
    assert run(roll_up, clock).hours == (completed_ms, clock.now - HOUR)


def test_a_range_in_the_future_holds_nothing(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(store, [event_line(1)])
    result = roll_up.recompute(10**15, 10**16)
    assert (result.hours, result.days) == ((), ())


def test_the_age_of_the_oldest_event_and_the_lag_of_deleting_are_known(
    store: Client, roll_up: RollUp, clock: ManualClock
) -> None:
    assert roll_up.retention_seconds() == (0, 0)
    insert(store, [event_line(1, timestamp=MIDNIGHT), event_line(2, timestamp=MIDNIGHT + 5 * HOUR)])
    assert roll_up.retention_seconds() == (24 * 3600, 0)
    # A part whose rows should all be gone, and which no merge may touch.
    store.command("SYSTEM STOP TTL MERGES events")
    store.command("ALTER TABLE events MODIFY SETTING materialize_ttl_recalculate_only = 1")
    store.command("ALTER TABLE events MODIFY TTL ts + INTERVAL 1 HOUR SETTINGS mutations_sync = 1")
    assert roll_up.retention_seconds()[1] > 0
