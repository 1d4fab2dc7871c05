"""Statements that look at everything that was stored lately need no more memory for more of it."""

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from agents.dirty_hours import KnownHour, known_hours
from agents.roll_up import RollUp
from app.artifact_cleanup import ArtifactCleanup
from app.artifact_refresh import ArtifactRefresh
from app.audit.store_check import Scope, _id_conflicts
from app.minute_figures import MinuteFigures, StoredMinute
from app.queries.distributions import funnel
from app.queries.fields import RangeParameters
from app.runtime.settings import RetentionSettings, Settings
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import DAY, HOUR, MIDNIGHT, ManualClock

pytestmark = pytest.mark.clickhouse
MANY = 400_000


@contextmanager
def little_memory(store: Client) -> Iterator[None]:
    """Every statement may take 40 MB only."""
    store.set_client_setting("max_memory_usage", 40_000_000)
    yield
    store.set_client_setting("max_memory_usage", 0)


def test_a_look_at_all_artifacts_of_the_open_hours_takes_bounded_memory(
    store: Client, roll_up: RollUp, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.dirty_hours.SLICE_ROWS", 20_000, raising=False)
    store.command(
        f"INSERT INTO artifact_state (artifactId, end_hours, last_link_stored) SELECT lower(hex(sipHash128(number))), "
        f"[toDateTime({MIDNIGHT // 1000} + number % 24 * 3600, 'UTC')], fromUnixTimestamp64Milli({MIDNIGHT} + number) "
        f"FROM numbers({MANY})"
    )
    store.command(f"INSERT INTO hour_activity VALUES ({MIDNIGHT // 1000}, fromUnixTimestamp64Milli({MIDNIGHT}))")
    with little_memory(store):
        assert len(roll_up.recompute(MIDNIGHT, clock.now, dry_run=True).hours) == 24
        assert len(roll_up.run_once(clock.now).hours) == 24


def test_hours_depend_on_what_their_artifacts_got_in_whatever_rows_and_slices(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.dirty_hours.SLICE_ROWS", 7)
    numbers = random.Random(5)
    hours = [MIDNIGHT + hour * HOUR for hour in range(24)]
    rows = [
        (
            f"art_{numbers.randrange(60)}",
            numbers.sample(hours, numbers.randrange(3)),
            numbers.randrange(MIDNIGHT - DAY, MIDNIGHT + DAY),
        )
        for _ in range(200)
    ]
    for part in range(5):
        values = ", ".join(
            f"('{name}', {[hour // 1000 for hour in ends]}, fromUnixTimestamp64Milli({stored}))"
            for name, ends, stored in rows[part::5]
        )
        store.command(f"INSERT INTO artifact_state (artifactId, end_hours, last_link_stored) VALUES {values}")
    for since in (MIDNIGHT, MIDNIGHT + 23 * HOUR, MIDNIGHT + DAY):
        latest = {name: max(stored for other, _, stored in rows if other == name) for name, _, _ in rows}
        expected: dict[int, int] = {}
        for name, ends, _ in rows:
            for hour in ends if latest[name] >= since else ():
                expected[hour // 1000] = max(expected.get(hour // 1000, 0), latest[name])
        roll_up = RollUp(store, settings, ManualClock(MIDNIGHT + DAY))
        found = known_hours(roll_up._query, MIDNIGHT // 1000, (MIDNIGHT + DAY) // 1000, since)
        assert {hour.hour_s: stored for hour, stored in found if stored} == expected


def test_a_look_at_all_artifacts_that_came_late_takes_bounded_memory(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.minute_figures.SLICE_ROWS", 20_000, raising=False)
    now_ms = time.time_ns() // 1_000_000
    begin_ms = now_ms - now_ms % HOUR - 2 * HOUR
    store.command(
        "INSERT INTO events (eventId, eventType, timestamp, artifactId, append_time_ms, stored_at) "
        f"SELECT generateUUIDv4(), 'artifact_received', {begin_ms} + number % 60 * 60000, "
        f"lower(hex(sipHash128(number))), {now_ms}, fromUnixTimestamp64Milli({now_ms - 10_000}) FROM numbers({MANY})"
    )
    figures = MinuteFigures(store, settings, ManualClock(now_ms))
    # What is kept already is due because of the late artifacts only.
    store.command(
        "INSERT INTO minute_figures (minute, scope, has_times, input_max_stored, computed_at) SELECT minute, "
        f"'platform', true, now64(3), fromUnixTimestamp64Milli({now_ms - 11_000}) FROM minute_activity GROUP BY minute"
    )
    with little_memory(store):
        assert len(figures._due(now_ms)) == 60


def test_minutes_are_due_by_the_latest_late_event_of_any_slice(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.minute_figures.SLICE_ROWS", 3)
    numbers = random.Random(6)
    now_ms = time.time_ns() // 1_000_000
    begin_ms = now_ms - now_ms % HOUR - 2 * HOUR
    events = [(f"art_{numbers.randrange(30)}", begin_ms + numbers.randrange(HOUR)) for _ in range(200)]
    late = [(f"art_{numbers.randrange(40)}", now_ms - numbers.randrange(HOUR)) for _ in range(25)]
    lines = [
        event_line(number, eventId=str(uuid.uuid4()), artifactId=name, timestamp=at)
        for number, (name, at) in enumerate(events)
    ]
    insert(store, lines)
    store.command("TRUNCATE TABLE late_artifacts")
    values = ", ".join(f"(fromUnixTimestamp64Milli({at}), '{name}')" for name, at in late)
    store.command(f"INSERT INTO late_artifacts (stored_at, artifactId) VALUES {values}")
    expected: dict[int, int] = {}
    for name, at in events:
        stored = [late_ms for other, late_ms in late if other == name]
        if stored:
            minute_s = at // 60_000 * 60
            expected[minute_s] = max(expected.get(minute_s, 0), *stored)
    assert MinuteFigures(store, settings, ManualClock(now_ms))._late(now_ms, 0) == expected


def test_ids_under_several_keys_are_found_in_bounded_memory(store: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.audit.store_check.SLICE_ROWS", 50_000, raising=False)
    # Ten ids have another key in the hour after, one of them another row under the same key as well.
    store.command(
        "INSERT INTO events (eventId, eventType, timestamp, append_time_ms, source_offset) "
        "SELECT reinterpretAsUUID(sipHash128(number % 1000000)), 'artifact_received', "
        f"{MIDNIGHT} + if(number < 1000000, number % 3600000, {HOUR} + number % 7), "
        f"if(number = 0, 5, {MIDNIGHT}), number "
        "FROM numbers(1000010)"
    )
    store.command("INSERT INTO events SELECT * REPLACE (7 AS append_time_ms) FROM events WHERE source_offset = 1")
    with little_memory(store):
        scope = Scope(from_ms=None, to_ms=None, visible_from_ms=MIDNIGHT, read={})
        assert _id_conflicts(store, scope) == {0: 10, MIDNIGHT: 10, MIDNIGHT + HOUR: 10}
        appended_later = Scope(from_ms=MIDNIGHT, to_ms=None, visible_from_ms=MIDNIGHT, read={})
        assert _id_conflicts(store, appended_later) == {0: 10, MIDNIGHT: 8, MIDNIGHT + HOUR: 10}


def test_a_funnel_of_many_artifacts_takes_bounded_memory(store: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queries.distributions.SLICE_ROWS", 100_000, raising=False)
    artifacts = 2 * MANY
    # Each has two rows, in two hours; every second one has got beyond the first stage.
    store.command(
        "INSERT INTO artifact_hours (hour, organizationId, artifact, stages) "
        f"SELECT toDateTime({MIDNIGHT // 1000} + intDiv(number, {artifacts}) * 3600), 'o', "
        f"sipHash128(number % {artifacts}), "
        f"if(number >= {artifacts} AND number % 2, 3, 1) FROM numbers({2 * artifacts})"
    )
    with little_memory(store):
        found = funnel(store, RangeParameters(start_time=MIDNIGHT, end_time=MIDNIGHT + DAY), MIDNIGHT + DAY).stages
    assert [stage.artifacts for stage in found] == [artifacts, artifacts // 2, 0, 0, 0, 0]


def test_old_artifacts_are_deleted_in_bounded_memory(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.artifact_cleanup.MOST", 30_000, raising=False)
    plain = settings.model_copy(update={"retention": RetentionSettings()})
    # Every tenth is still active, and one has been stored too lately.
    store.command(
        f"INSERT INTO artifact_rows (artifactId, version, status, createdAt, updatedAt) SELECT lower(hex(number)), "
        f"bitShiftLeft(toUInt64(if(number = 7, {MIDNIGHT + 3 * DAY}, {MIDNIGHT} + number)), 20), "
        f"if(number % 10, 'completed', 'received'), {MIDNIGHT}, {MIDNIGHT} + number FROM numbers({MANY // 2})",
        settings={"max_block_size": 30_000, "min_insert_block_size_rows": 30_000},
    )
    store.command(
        "INSERT INTO artifact_state (artifactId, last_event, last_stored) SELECT artifactId, "
        "fromUnixTimestamp64Milli(updatedAt), fromUnixTimestamp64Milli(toInt64(bitShiftRight(version, 20))) "
        "FROM artifact_rows"
    )
    clock = ManualClock(MIDNIGHT + 92 * DAY)
    deadline = time.monotonic() + 60
    with little_memory(store):
        while ArtifactCleanup(store, plain, clock).run_once():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    for table in ("artifact_rows", "artifacts_by_creation", "artifact_state"):
        left = store.query(f"SELECT count(), countIf(artifactId = '07') FROM {table}").result_rows
        assert left == [(MANY // 20 + 1, 1)], table


def pages_of(refresh: ArtifactRefresh, from_ms: int, newest_ms: int) -> Iterator[tuple[list[list[Any]], int]]:
    """What a refresh reads that is so far behind."""
    refresh._newest_ms = newest_ms
    return refresh._pages(from_ms)


def test_a_refresh_that_is_far_behind_takes_bounded_memory(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STRETCH_ROWS", 30_000), ("PAGE", 1_000), ("refreshed_row", lambda *row: list(row))):
        monkeypatch.setattr(f"app.artifact_refresh.{name}", value, raising=False)
    store.command(
        f"INSERT INTO artifact_state (artifactId, last_stored) SELECT lower(hex(sipHash128(number))), "
        f"fromUnixTimestamp64Milli({MIDNIGHT} + number * 10) FROM numbers({MANY})"
    )
    with little_memory(store):
        rows, stored_ms = next(pages_of(ArtifactRefresh(store, settings.clickhouse), 0, MIDNIGHT + MANY * 10))
    assert (len(rows), stored_ms) == (1_000, MIDNIGHT + 9_990)


def test_a_refresh_meets_every_artifact_in_the_order_in_which_it_was_stored(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STRETCH_ROWS", 9), ("PAGE", 4), ("refreshed_row", lambda *row: list(row))):
        monkeypatch.setattr(f"app.artifact_refresh.{name}", value)
    numbers = random.Random(7)
    stored = [(f"art_{numbers.randrange(40)}", MIDNIGHT + numbers.randrange(20) * HOUR) for _ in range(150)]
    for part in range(5):
        values = ", ".join(f"('{name}', fromUnixTimestamp64Milli({at}))" for name, at in stored[part::5])
        store.command(f"INSERT INTO artifact_state (artifactId, last_stored) VALUES {values}")
    for from_ms in (0, MIDNIGHT + 7 * HOUR):
        pages = list(pages_of(ArtifactRefresh(store, settings.clickhouse), from_ms, MIDNIGHT + DAY))
        met = [(at, name) for rows, _ in pages for name, at, _ in rows]
        assert met == sorted(set(met))
        assert all(max(at for _, at, _ in rows) == to_ms for rows, to_ms in pages)
        latest = {name: max(at for other, at in stored if other == name) for name, _ in stored}
        assert {name: at for at, name in met} == {name: at for name, at in latest.items() if at >= from_ms}


@pytest.mark.parametrize(
    ("late_ms", "minute", "expected"),
    [
        (0, StoredMinute(0, 40, 0, 0, False, 50), True),  # not kept
        (0, StoredMinute(0, 40, 0, 0, False, 49), False),  # not settled
        (0, StoredMinute(0, 40, 60, 40, True, 90), False),
        (0, StoredMinute(0, 41, 60, 40, True, 90), True),  # stored since
        (0, StoredMinute(0, 40, 60, 40, False, 90), True),  # kept without times
        (50, StoredMinute(0, 40, 60, 40, True, 90), False),
        (51, StoredMinute(0, 40, 60, 40, True, 90), True),  # late since
        (81, StoredMinute(0, 41, 60, 40, True, 90), False),  # not settled
    ],
)
def test_a_minute_is_due_once_it_has_settled_and_was_not_worked_out_after_that(
    late_ms: int, minute: StoredMinute, expected: bool
) -> None:
    assert minute.is_due(late_ms, settle_ms=10) is expected


@pytest.mark.parametrize(
    ("stored_ms", "known", "expected"),
    [
        (0, KnownHour(0, 0, 0, 0, 0, 100), True),  # never computed
        (0, KnownHour(0, 0, 50, 0, 0, 100), True),  # not shown
        (0, KnownHour(0, 0, 50, 0, 50, 100), False),
        (40, KnownHour(0, 40, 50, 40, 50, 100), False),  # settled when it was computed
        (41, KnownHour(0, 40, 50, 40, 50, 100), True),  # stored since
        (41, KnownHour(0, 41, 50, 41, 50, 50), False),  # not yet settled
        (41, KnownHour(0, 41, 50, 41, 50, 51), True),
        (40, KnownHour(0, 40, 50, 41, 50, 100), False),
    ],
)
def test_an_hour_is_dirty_until_it_was_computed_and_shown_after_its_last_row_had_settled(
    stored_ms: int, known: KnownHour, expected: bool
) -> None:
    assert known.is_dirty(stored_ms, settle_ms=10) is expected
