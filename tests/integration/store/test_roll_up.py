from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.domain.recount import Recount, recount
from app.domain.rollups import PeriodType, snapshots
from tests.integration.store.rows import event_line, insert, line_of
from tests.integration.store.snapshots import DAY, HOUR, MIDNIGHT, ManualClock, differences, rows, run
from tests.sample_log import read_expected, read_log

pytestmark = pytest.mark.clickhouse


@pytest.fixture(scope="module")
def sample() -> Recount:
    return recount(read_log("events.ndjson"))


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


def test_every_figure_of_the_sample_is_exact_to_the_last_digit(
    store: Client, roll_up: RollUp, clock: ManualClock, sample: Recount
) -> None:
    insert(store, [line_of(accepted) for accepted in sample.accepted])
    clock.now = MIDNIGHT + 2 * DAY
    run(roll_up, clock)
    events = [accepted.event for accepted in sample.accepted]
    for period_type, first_ms in (("hourly", MIDNIGHT), ("daily", MIDNIGHT + DAY)):
        found = rows(store, period_type)
        wanted = snapshots(events, cast("PeriodType", period_type), first_ms, clock.now)
        assert len(wanted) > 1
        for (start_ms, organization_id), figures in wanted.items():
            row = found[start_ms, organization_id or ""]
            assert {name: row[name] for name in figures} == figures


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
