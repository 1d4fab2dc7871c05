"""Counters of one source partition, and how they come back from their changelog."""

import itertools

import msgspec
import orjson
import pytest

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.runtime.state_table import RecordPair
from tables.counters import CellRecord, PartitionCounters, PartitionRecord

RETENTION_MS = 3 * HOUR_MS
HOUR = 500_000 * HOUR_MS
MINUTE = HOUR // MINUTE_MS
RECEIVED, FAILED, FAILURES = (0,), (2, 7), 7


def counters() -> PartitionCounters:
    return PartitionCounters(RETENTION_MS)


def total(state: PartitionCounters, scope: str | None, hour: int, index: int = 0) -> int:
    cell = state.hours.get(hour, {}).get(scope)
    return 0 if cell is None else sum(cell.minutes[index :: len(COUNTER_TYPES)])


def restored(changes: list[RecordPair]) -> PartitionCounters:
    state = counters()
    for key, value in changes:
        state.restore(orjson.loads(key), value)
    return state


def scopes_of(changes: list[RecordPair]) -> list[list[object]]:
    return [orjson.loads(key)[1:] for key, _ in changes]


def test_an_event_with_an_organisation_counts_for_it_and_for_the_platform() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 2, (None, MINUTE + 59, RECEIVED): 1}, 10)
    assert (total(state, "a", HOUR), total(state, None, HOUR)) == (2, 3)
    assert state.hours[HOUR][None].minutes[59 * len(COUNTER_TYPES)] == 1
    assert state.applied == 10


def test_a_type_of_two_counters_moves_both() -> None:
    state = counters()
    state.apply({("a", MINUTE, FAILED): 1}, 0)
    assert [total(state, None, HOUR, index) for index in (2, FAILURES, 0)] == [1, 1, 0]


@pytest.mark.parametrize("offset", [0, 9, 10])
def test_a_replay_at_or_below_the_applied_offset_changes_nothing(offset: int) -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 10)
    state.take_changes(0)
    state.apply({("a", MINUTE, RECEIVED): 1}, offset)
    assert total(state, "a", HOUR) == 1
    assert state.applied == 10
    assert state.take_changes(0) == []


def test_windows_are_dropped_by_event_time_and_leave_tombstones() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    state.take_changes(7)
    state.advance(HOUR + RETENTION_MS + HOUR_MS - 1)
    state.apply({}, 1)
    assert HOUR in state.hours, "the window's retention is not over yet"
    state.advance(HOUR + RETENTION_MS + HOUR_MS)
    state.apply({}, 2)
    assert HOUR not in state.hours
    tombstones = [key for key, value in state.take_changes(7) if value is None]
    assert sorted(tombstones) == sorted([orjson.dumps([7, "a", HOUR]), orjson.dumps([7, None, HOUR])])


def test_the_watermark_never_goes_back() -> None:
    state = counters()
    state.advance(HOUR)
    state.advance(HOUR - 5 * HOUR_MS)
    assert (state.watermark_ms, state.cutoff_ms) == (HOUR, HOUR - RETENTION_MS)


def test_the_watermark_is_logged_before_what_it_decides() -> None:
    state = counters()
    state.advance(HOUR + 1)
    state.apply({("a", MINUTE, RECEIVED): 1}, 5)
    assert scopes_of(state.take_changes(0))[0] == []
    state.advance(HOUR + 9 * HOUR_MS)
    state.apply({(None, MINUTE + 9 * 60, RECEIVED): 1}, 6)
    changes = state.take_changes(0)
    assert scopes_of(changes)[0] == []
    assert restored(changes[:1]).cutoff_ms == state.cutoff_ms


def test_a_watermark_that_moved_the_cutoff_is_logged_although_no_counter_changed() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({}, 3)
    assert restored(state.take_changes(0)).cutoff_ms == HOUR - RETENTION_MS
    state.advance(HOUR + MINUTE_MS)
    state.apply({}, 4)
    assert state.take_changes(0) == [], "within the same hour nothing depends on it"


def test_what_was_taken_is_not_taken_again() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 1)
    assert len(state.take_changes(0)) == 3
    state.apply({("b", MINUTE, RECEIVED): 1}, 2)
    assert scopes_of(state.take_changes(0)) == [[], ["b", HOUR], [None, HOUR]]


def test_a_window_dropped_before_it_was_logged_does_not_come_back() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 1)
    state.advance(HOUR + RETENTION_MS + HOUR_MS)
    state.apply({}, 2)
    changes = state.take_changes(0)
    assert not restored(changes).hours.get(HOUR)


def test_the_changelog_gives_the_same_counters_in_any_order_of_its_records() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({("a", MINUTE, RECEIVED): 1, ("a", MINUTE - 60, FAILED): 2}, 4)
    first = state.take_changes(0)
    state.advance(HOUR + HOUR_MS)
    state.apply({("a", MINUTE, RECEIVED): 3, ("b", MINUTE + 60, RECEIVED): 1}, 9)
    second = state.take_changes(0)
    # A later record of the same key comes later in the log: only records of different keys may change places.
    for order in itertools.islice(itertools.permutations(second), 0, None, 7):
        again = restored([*first, *order])
        for scope, hour, index in [("a", HOUR, 0), ("a", HOUR - HOUR_MS, 7), ("b", HOUR + HOUR_MS, 0), (None, HOUR, 0)]:
            assert total(again, scope, hour, index) == total(state, scope, hour, index)
        assert again.cutoff_ms == state.cutoff_ms


def test_of_two_records_of_a_cell_the_one_with_the_higher_offset_stays() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 4)
    old = state.take_changes(0)
    state.apply({("a", MINUTE, RECEIVED): 1}, 5)
    new = state.take_changes(0)
    assert total(restored(new + old), "a", HOUR) == 2


def test_a_restored_cell_ahead_of_the_others_takes_only_what_it_lacks() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    state.apply({("a", MINUTE, RECEIVED): 1, ("b", MINUTE, RECEIVED): 1}, 1)
    only_a = [change for change in state.take_changes(0) if b'"a"' in change[0]]
    again = restored(only_a)
    assert again.replayed_to == 1
    again.apply({("a", MINUTE, RECEIVED): 1}, 0)
    again.apply({("a", MINUTE, RECEIVED): 1}, 1)
    again.apply({("b", MINUTE, RECEIVED): 1}, 2)
    assert [total(again, scope, HOUR) for scope in ("a", "b", None)] == [2, 1, 3]


def test_restored_windows_expire_too() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    again = restored(state.take_changes(0))
    again.advance(HOUR + RETENTION_MS + HOUR_MS)
    again.apply({}, 1)
    assert not again.hours
    assert sum(value is None for _, value in again.take_changes(0)) == 2


def test_a_cell_older_than_the_restored_watermark_is_dropped_with_a_tombstone() -> None:
    cells = counters()
    cells.apply({("a", MINUTE, RECEIVED): 1}, 0)
    watermark = counters()
    watermark.advance(HOUR + 9 * HOUR_MS)
    watermark.apply({}, 1)
    changes = cells.take_changes(0), watermark.take_changes(0)
    for first, second in (changes, changes[::-1]):
        again = restored(first + second)
        assert not again.hours
        assert [value for _, value in again.take_changes(0)][1:] == [None, None]


def test_values_of_the_changelog_say_what_they_are() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({("a", MINUTE, RECEIVED): 1}, 42)
    (_, partition), (_, cell), _ = state.take_changes(3)
    assert msgspec.msgpack.decode(partition or b"", type=PartitionRecord) == PartitionRecord(HOUR, 42)
    assert msgspec.msgpack.decode(cell or b"", type=CellRecord).offset == 42
