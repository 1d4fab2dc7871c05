"""Snapshots as they are asked for."""

import pytest
from clickhouse_connect.driver.client import Client
from msgspec import UNSET

from agents.roll_up import RollUp
from app.queries.breakdowns import SnapshotParameters
from app.queries.breakdowns import history as history_answer
from app.queries.history import PeriodType, historical_metrics
from app.runtime.settings import RetentionSettings, Settings
from sinks.clickhouse.schema import migrate
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import DAY, HOUR, MIDNIGHT, ManualClock, run

pytestmark = pytest.mark.clickhouse


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


def test_the_answer_says_its_window_its_scope_and_whether_all_of_it_is_closed(
    store: Client, roll_up: RollUp, clock: ManualClock
) -> None:
    insert(store, [event_line(1, organizationId="org_1")])
    now = MIDNIGHT + 3 * HOUR + 1
    clock.now = now
    unknown = history_answer(store, SnapshotParameters(), now)
    assert (unknown.complete, unknown.closed_until) == (False, UNSET)

    roll_up.run_once(MIDNIGHT + 2 * HOUR)
    last_day = history_answer(store, SnapshotParameters(organization_id="org_1"), now)
    assert (last_day.period_type, last_day.organization_id) == ("hourly", "org_1")
    assert (last_day.start_time, last_day.end_time) == (MIDNIGHT - 21 * HOUR, MIDNIGHT + 2 * HOUR)
    assert (last_day.complete, last_day.closed_until) == (False, MIDNIGHT + 2 * HOUR)

    def is_complete(end_ms: int) -> bool:
        asked = SnapshotParameters(start_time=MIDNIGHT, end_time=end_ms)
        return history_answer(store, asked, now).complete

    assert [is_complete(MIDNIGHT + 2 * HOUR - 1), is_complete(MIDNIGHT + 2 * HOUR)] == [True, False]
    run(roll_up, clock)
    assert history_answer(store, SnapshotParameters(organization_id="org_1"), now).complete
    assert not is_complete(now), "the running hour is one of the range"
    assert not history_answer(store, SnapshotParameters(period_type="daily", end_time=now), now).complete
