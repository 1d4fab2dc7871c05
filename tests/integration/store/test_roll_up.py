import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from agents.roll_up import RollUp, RollUpResult
from app.domain.recount import Recount, recount
from app.queries.history import PeriodType, historical_metrics
from app.runtime.settings import RetentionSettings, Settings
from sinks.clickhouse.schema import migrate
from tests.integration.store.rows import event_line, insert, line_of
from tests.sample_log import read_expected, read_log

pytestmark = pytest.mark.clickhouse

HOUR = 3_600_000
DAY = 24 * HOUR
MIDNIGHT = 1771113600000  # 2026-02-15T00:00Z
IDENTITY = {"organizationId", "periodStart", "periodEnd", "periodType"}


@dataclass
class ManualClock:
    now: int

    def now_ms(self) -> int:
        return self.now


@dataclass
class Failures:
    """Telemetry that keeps what failed."""

    failed: list[tuple[str, int]] = field(default_factory=list)

    def snapshots_computed(self, result: RollUpResult) -> None:
        pass

    def snapshot_failed(self, period_type: str, period_start_ms: int, reason: str) -> None:
        self.failed.append((period_type, period_start_ms))

    def periods_tried(self, period_type: str, tried: int, total: int) -> None:
        pass


@dataclass
class Refusing:
    """The store, except that it refuses to compute periods that start at `start_s`."""

    client: Client
    start_s: int

    def query(self, *arguments: Any, **named: Any) -> Any:
        return self.client.query(*arguments, **named)

    def command(self, statement: str, parameters: dict[str, Any]) -> Any:
        if self.start_s in parameters.get("hours", parameters.get("days", [])):
            raise DatabaseError("Memory limit exceeded", code=241)
        return self.client.command(statement, parameters=parameters)


def rows(client: Client, period_type: str) -> dict[tuple[int, str], dict[str, Any]]:
    question = f"SELECT *, toUnixTimestamp(periodStart) * 1000 AS start_ms FROM snapshots_{period_type}_figures"
    found = list(client.query(question).named_results())
    listed = [(int(row["start_ms"]), row["organizationId"]) for row in found]
    assert len(set(listed)) == len(listed), "one row per period and scope"
    return dict(zip(listed, found, strict=True))


def differences(client: Client, expected: dict[str, Any], period_type: str) -> list[Any]:
    wanted = {(row["periodStart"], row.get("organizationId", "")): row for row in expected[f"{period_type}Snapshots"]}
    found = rows(client, period_type)
    assert found.keys() == wanted.keys()
    return [
        (key, name, found[key][name], value)
        for key, row in wanted.items()
        for name, value in row.items()
        if name not in IDENTITY and abs(found[key][name] - value) > 1e-6
    ]


@pytest.fixture(scope="module")
def sample() -> Recount:
    return recount(read_log("events.ndjson"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MIDNIGHT + DAY)


@pytest.fixture
def roll_up(store: Client, settings: Settings, clock: ManualClock) -> RollUp:
    return RollUp(store, settings, clock)


def run(roll_up: RollUp, clock: ManualClock) -> RollUpResult:
    return roll_up.run_once(clock.now)


def test_the_sample_gives_the_expected_figures(
    store: Client, roll_up: RollUp, clock: ManualClock, sample: Recount
) -> None:
    expected = read_expected("expected.json")
    insert(store, [line_of(accepted) for accepted in sample.accepted])
    clock.now = expected["range"]["hoursTo"]
    assert len(run(roll_up, clock).hours) == 30
    assert differences(store, expected, "hourly") == []
    clock.now = expected["range"]["daysTo"]
    assert run(roll_up, clock).days == (MIDNIGHT + DAY,)
    assert differences(store, expected, "daily") == []


def test_the_worked_example_gives_every_figure(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    expected = read_expected("worked_example_expected.json")
    found = recount(read_log("worked_example.ndjson"))
    insert(store, [line_of(accepted) for accepted in found.accepted])
    clock.now = expected["range"]["hoursTo"]
    run(roll_up, clock)
    assert differences(store, expected, "hourly") == []


def test_a_second_run_finds_nothing_to_do(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(store, [event_line(1)])
    first = run(roll_up, clock)
    assert (len(first.hours), len(first.days), first.rows_written) == (24, 1, 25)
    second = run(roll_up, clock)
    assert (second.hours, second.days, second.rows_written) == ((), (), 0)


def test_an_idle_hour_gets_a_platform_row_of_zeros(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(store, [event_line(1, organizationId="org_1")])
    clock.now = MIDNIGHT + 3 * HOUR
    run(roll_up, clock)
    found = rows(store, "hourly")
    assert found.keys() == {(MIDNIGHT, ""), (MIDNIGHT, "org_1"), (MIDNIGHT + HOUR, ""), (MIDNIGHT + 2 * HOUR, "")}
    idle = found[MIDNIGHT + HOUR, ""]
    assert {value for name, value in idle.items() if name.startswith(("total", "artifacts", "avg", "draft"))} == {0}


def test_an_hour_is_closed_only_when_all_its_records_are_stored(
    store: Client, roll_up: RollUp, clock: ManualClock
) -> None:
    insert(store, [event_line(1)])
    assert roll_up.run_once(MIDNIGHT + HOUR - 1).hours == ()
    assert roll_up.run_once(MIDNIGHT + HOUR).hours == (MIDNIGHT,)
    clock.now = MIDNIGHT + 2 * HOUR - 1
    assert roll_up.run_once(MIDNIGHT + DAY).hours == ()


def test_a_late_event_is_in_its_hour_and_its_day(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(
        store,
        [event_line(1), event_line(2, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", timestamp=MIDNIGHT + 9 * HOUR)],
    )
    run(roll_up, clock)
    insert(store, [event_line(3, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c13", metadata={"claimCount": 3})])
    late = run(roll_up, clock)
    assert (late.hours, late.days) == ((MIDNIGHT,), (MIDNIGHT,))
    assert rows(store, "hourly")[MIDNIGHT, ""]["totalClaimsExtracted"] == 7
    assert rows(store, "daily")[MIDNIGHT, ""]["totalClaimsExtracted"] == 11


def test_repeated_and_overlapping_batches_change_no_figure(
    store: Client, roll_up: RollUp, clock: ManualClock, sample: Recount
) -> None:
    lines = [line_of(accepted) for accepted in sample.accepted[:600]]
    insert(store, lines[:400], "first")
    run(roll_up, clock)
    insert(store, lines[:400], "first")
    insert(store, lines[200:600], "second")
    insert(store, list(reversed(lines[100:500])), "third")
    run(roll_up, clock)
    found = {period: rows(store, period) for period in ("hourly", "daily")}
    store.command("TRUNCATE TABLE events")
    insert(store, lines, "whole")
    roll_up.recompute(MIDNIGHT, MIDNIGHT + 2 * DAY)
    for period, before in found.items():
        after = rows(store, period)
        assert {key: without_time(row) for key, row in after.items()} == {
            key: without_time(row) for key, row in before.items()
        }


def without_time(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "createdAt"}


def test_costs_add_up_to_the_last_digit(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    costs = [0.1, 0.2, 0.3, 1e-7, 0.0061, 1.2345678901234567e-05]
    lines = [
        event_line(number, eventId=f"6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c{number:02}", metadata={"aiCost": cost})
        for number, cost in enumerate(costs)
    ]
    insert(store, lines)
    run(roll_up, clock)
    assert rows(store, "hourly")[MIDNIGHT, ""]["totalAICost"] == 0.6061124456789012
    assert rows(store, "daily")[MIDNIGHT, ""]["totalAICost"] == 0.6061124456789012


def test_a_late_receipt_changes_the_hour_of_the_completion(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    completion = event_line(1, eventType="artifact_completed", timestamp=MIDNIGHT + 5 * HOUR)
    insert(store, [completion])
    run(roll_up, clock)
    assert rows(store, "hourly")[MIDNIGHT + 5 * HOUR, ""]["endToEndSamples"] == 0
    receipt = event_line(
        2,
        eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12",
        eventType="artifact_received",
        timestamp=MIDNIGHT + 4 * HOUR,
        organizationId="org_1",
    )
    insert(store, [receipt])
    assert run(roll_up, clock).hours == (MIDNIGHT + 4 * HOUR, MIDNIGHT + 5 * HOUR)
    found = rows(store, "hourly")[MIDNIGHT + 5 * HOUR, "org_1"]
    assert (found["endToEndSamples"], found["p95EndToEndLatency"]) == (1, HOUR)
    assert run(roll_up, clock).hours == ()


def test_a_late_start_gives_its_stage_a_duration(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    end = event_line(1, timestamp=MIDNIGHT + 5 * HOUR, pipelineStage="claims_extraction")
    insert(store, [end])
    run(roll_up, clock)
    assert rows(store, "hourly")[MIDNIGHT + 5 * HOUR, ""]["claimsExtractionLatencySamples"] == 0
    start = {
        "eventId": "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12",
        "eventType": "claims_extraction_started",
        "timestamp": MIDNIGHT + 5 * HOUR - 7000,
    }
    insert(store, [end | start | {"source_offset": 2}])
    assert run(roll_up, clock).hours == (MIDNIGHT + 4 * HOUR, MIDNIGHT + 5 * HOUR)
    assert rows(store, "hourly")[MIDNIGHT + 5 * HOUR, ""]["avgClaimsExtractionLatency"] == 7000


def test_a_row_of_an_hour_whose_records_are_not_all_stored_is_not_complete(
    store: Client, roll_up: RollUp, clock: ManualClock
) -> None:
    insert(store, [event_line(1)])
    roll_up.recompute(MIDNIGHT, MIDNIGHT + 2 * HOUR)
    roll_up.run_once(MIDNIGHT + HOUR)
    shown = historical_metrics(store, "hourly", MIDNIGHT, MIDNIGHT + DAY, None, clock.now)
    assert [row.complete for row in shown] == [True, False]
    run(roll_up, clock)
    shown = historical_metrics(store, "hourly", MIDNIGHT, MIDNIGHT + DAY, None, clock.now)
    assert [row.complete for row in shown] == [True] * 24
    assert historical_metrics(store, "daily", MIDNIGHT, MIDNIGHT, None, clock.now)[0].complete


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


def test_a_range_in_the_future_holds_nothing(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(store, [event_line(1)])
    result = roll_up.recompute(10**15, 10**16)
    assert (result.hours, result.days) == ((), ())


def test_an_organisation_that_left_an_hour_is_not_shown(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(
        store,
        [
            event_line(1, eventType="artifact_completed", timestamp=MIDNIGHT + 5 * HOUR),
            event_line(
                2, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", eventType="artifact_received", organizationId="org_1"
            ),
        ],
    )
    run(roll_up, clock)
    assert (MIDNIGHT + 5 * HOUR, "org_1") in rows(store, "hourly")
    insert(
        store,
        [
            event_line(
                3,
                eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c13",
                eventType="artifact_completed",
                timestamp=MIDNIGHT + 3 * HOUR,
            )
        ],
    )
    run(roll_up, clock)
    assert (MIDNIGHT + 5 * HOUR, "org_1") not in rows(store, "hourly")
    assert (MIDNIGHT + 3 * HOUR, "org_1") in rows(store, "hourly")
    assert rows(store, "daily")[MIDNIGHT, "org_1"]["endToEndSamples"] == 1


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


def test_frozen_periods_are_never_computed(store: Client, settings: Settings, clock: ManualClock) -> None:
    narrow = settings.model_copy(update={"retention": RetentionSettings(events_hours=48, max_outage_hours=24)})
    insert(
        store, [event_line(1), event_line(2, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12", timestamp=MIDNIGHT + DAY)]
    )
    clock.now = MIDNIGHT + DAY + 72 * HOUR
    found = RollUp(store, narrow, clock).run_once(clock.now)
    assert (found.hours[0], found.days[0]) == (MIDNIGHT + DAY, MIDNIGHT + DAY)
    assert RollUp(store, narrow, clock).recompute(0, clock.now, dry_run=True).hours[0] == MIDNIGHT + DAY
    clock.now -= 1
    assert RollUp(store, narrow, clock).run_once(clock.now).hours[0] == MIDNIGHT


def test_a_period_that_fails_is_reported_and_the_others_go_on(
    store: Client, settings: Settings, clock: ManualClock
) -> None:
    failures = Failures()
    insert(store, [event_line(1)])
    broken = Refusing(store, (MIDNIGHT + 5 * HOUR) // 1000)
    result = RollUp(broken, settings, clock, failures).run_once(clock.now)  # type: ignore[arg-type]
    assert failures.failed == [("hourly", MIDNIGHT + 5 * HOUR)]
    assert len(result.hours) == 23
    assert result.days == (), "a day waits for all its hours"
    repaired = RollUp(store, settings, clock).run_once(clock.now)
    assert (repaired.hours, repaired.days) == ((MIDNIGHT + 5 * HOUR,), (MIDNIGHT,))


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


def history(
    client: Client, period: PeriodType, now_ms: int, organization_id: str | None = None, end_ms: int = MIDNIGHT + DAY
) -> list[int]:
    return [row.period_start for row in historical_metrics(client, period, MIDNIGHT, end_ms, organization_id, now_ms)]


def test_history_gives_one_scope_ascending_with_both_ends(store: Client, roll_up: RollUp, clock: ManualClock) -> None:
    insert(
        store, [event_line(1, organizationId="org_1"), event_line(2, eventId="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c12")]
    )
    run(roll_up, clock)
    assert history(store, "hourly", clock.now, end_ms=MIDNIGHT + 3 * HOUR) == [MIDNIGHT + n * HOUR for n in range(4)]
    assert history(store, "daily", clock.now) == [MIDNIGHT]
    assert history(store, "hourly", clock.now, "org_1") == [MIDNIGHT]
    assert history(store, "hourly", clock.now, "org_2") == []
    [snapshot] = historical_metrics(store, "hourly", MIDNIGHT, MIDNIGHT, None, clock.now)
    assert (snapshot.total_claims_extracted, snapshot.period_end) == (8, MIDNIGHT + HOUR)


def test_history_shows_a_row_exactly_at_the_cutoff_and_none_older(
    store: Client, settings: Settings, roll_up: RollUp, clock: ManualClock
) -> None:
    insert(store, [event_line(1)])
    run(roll_up, clock)
    migrate(store, settings.model_copy(update={"retention": RetentionSettings()}))
    kept: dict[PeriodType, int] = {"hourly": 7 * DAY, "daily": 90 * DAY}
    for period, kept_ms in kept.items():
        assert MIDNIGHT in history(store, period, MIDNIGHT + kept_ms)
        assert MIDNIGHT not in history(store, period, MIDNIGHT + kept_ms + 1)
