"""Counters of one source partition, and how they come back from their changelog."""

import itertools

import msgspec
import orjson
import pytest

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.runtime.state_table import RecordPair
from tables.cells import CellRecord, FlushEnd, FlushStart
from tables.partition_counters import PartitionCounters

RETENTION_MS = 3 * HOUR_MS
HOUR = 500_000 * HOUR_MS
MINUTE = HOUR // MINUTE_MS
RECEIVED, FAILED, FAILURES = (0,), (2, 7), 7


def counters() -> PartitionCounters:
    return PartitionCounters(0, RETENTION_MS)


def total(state: PartitionCounters, scope: str | None, hour: int, index: int = 0) -> int:
    cell = state.hours.get(hour, {}).get(scope)
    return 0 if cell is None else sum(cell.minutes[index :: len(COUNTER_TYPES)])


def restored(changes: list[RecordPair]) -> PartitionCounters:
    state = counters()
    for key, value in changes:
        state.follow(key, value)
    state.adopt("me")
    return state


def changes_of(state: PartitionCounters) -> list[RecordPair]:
    return state.take_changes("me", 0)


def cells_of(changes: list[RecordPair]) -> list[RecordPair]:
    return [change for change in changes if len(orjson.loads(change[0])) == 3]


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
    changes_of(state)
    state.apply({("a", MINUTE, RECEIVED): 1}, offset)
    assert total(state, "a", HOUR) == 1
    assert state.applied == 10
    assert changes_of(state) == []


def test_windows_are_dropped_by_event_time_and_leave_tombstones() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    changes_of(state)
    state.advance(HOUR + RETENTION_MS + HOUR_MS - 1)
    state.apply({}, 1)
    assert HOUR in state.hours, "the window's retention is not over yet"
    state.advance(HOUR + RETENTION_MS + HOUR_MS)
    state.apply({}, 2)
    assert HOUR not in state.hours
    tombstones = [key for key, value in changes_of(state) if value is None]
    assert sorted(tombstones) == sorted([orjson.dumps([0, "a", HOUR]), orjson.dumps([0, None, HOUR])])


def test_the_watermark_never_goes_back() -> None:
    state = counters()
    state.advance(HOUR)
    state.advance(HOUR - 5 * HOUR_MS)
    assert (state.watermark_ms, state.cutoff_ms) == (HOUR, HOUR - RETENTION_MS)


def test_the_watermark_is_logged_before_what_it_decides() -> None:
    state = counters()
    state.advance(HOUR + 1)
    state.apply({("a", MINUTE, RECEIVED): 1}, 5)
    assert scopes_of(changes_of(state))[0] == []
    state.advance(HOUR + 9 * HOUR_MS)
    state.apply({(None, MINUTE + 9 * 60, RECEIVED): 1}, 6)
    changes = changes_of(state)
    assert scopes_of(changes)[0] == []
    assert restored(changes[:1]).cutoff_ms == state.cutoff_ms


def test_a_watermark_that_moved_the_cutoff_is_logged_although_no_counter_changed() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({}, 3)
    assert restored(changes_of(state)).cutoff_ms == HOUR - RETENTION_MS
    state.advance(HOUR + MINUTE_MS)
    state.apply({}, 4)
    assert changes_of(state) == [], "within the same hour nothing depends on it"


def test_what_was_taken_is_not_taken_again() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 1)
    assert scopes_of(changes_of(state)) == [[], ["a", HOUR], [None, HOUR], ["counted"]]
    state.apply({("b", MINUTE, RECEIVED): 1}, 2)
    assert scopes_of(changes_of(state)) == [[], ["b", HOUR], [None, HOUR], ["counted"]]


def test_a_window_dropped_before_it_was_logged_does_not_come_back() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 1)
    state.advance(HOUR + RETENTION_MS + HOUR_MS)
    state.apply({}, 2)
    changes = changes_of(state)
    assert not restored(changes).hours.get(HOUR)


def test_the_changelog_gives_the_same_counters_in_any_order_of_its_records() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({("a", MINUTE, RECEIVED): 1, ("a", MINUTE - 60, FAILED): 2}, 4)
    first = changes_of(state)
    state.advance(HOUR + HOUR_MS)
    state.apply({("a", MINUTE, RECEIVED): 3, ("b", MINUTE + 60, RECEIVED): 1}, 9)
    second = changes_of(state)
    # A later record of the same key comes later in the log: only records of different keys may change places.
    for order in itertools.islice(itertools.permutations(second), 0, None, 7):
        again = restored([*first, *order])
        for scope, hour, index in [("a", HOUR, 0), ("a", HOUR - HOUR_MS, 7), ("b", HOUR + HOUR_MS, 0), (None, HOUR, 0)]:
            assert total(again, scope, hour, index) == total(state, scope, hour, index)
        assert again.cutoff_ms == state.cutoff_ms


def test_of_two_records_of_a_cell_the_one_with_the_higher_offset_stays() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 4)
    old = changes_of(state)
    state.apply({("a", MINUTE, RECEIVED): 1}, 5)
    new = changes_of(state)
    assert total(restored(new + old), "a", HOUR) == 2


def test_a_restored_cell_ahead_of_the_others_takes_only_what_it_lacks() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    state.apply({("a", MINUTE, RECEIVED): 1, ("b", MINUTE, RECEIVED): 1}, 1)
    only_a = [change for change in changes_of(state) if b'"a"' in change[0]]
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
    again = restored(changes_of(state))
    again.advance(HOUR + RETENTION_MS + HOUR_MS)
    again.apply({}, 1)
    assert not again.hours
    assert sum(value is None for _, value in changes_of(again)) == 2


def test_a_cell_older_than_the_restored_watermark_is_dropped_with_a_tombstone() -> None:
    cells = counters()
    cells.apply({("a", MINUTE, RECEIVED): 1}, 0)
    watermark = counters()
    watermark.advance(HOUR + 9 * HOUR_MS)
    watermark.apply({}, 1)
    changes = changes_of(cells), changes_of(watermark)
    for first, second in (changes, changes[::-1]):
        again = restored(first + second)
        assert not again.hours
        assert [value for _, value in cells_of(changes_of(again))] == [None, None]


def test_values_of_the_changelog_say_what_they_are() -> None:
    state = counters()
    state.advance(HOUR)
    state.apply({("a", MINUTE, RECEIVED): 1}, 42)
    (_, start), (_, cell), _, (_, end) = state.take_changes("me", 77)
    assert msgspec.msgpack.decode(start or b"", type=FlushStart) == FlushStart(HOUR, "me")
    assert msgspec.msgpack.decode(cell or b"", type=CellRecord).offset == 42
    assert msgspec.msgpack.decode(end or b"", type=FlushEnd) == FlushEnd(42, -1, 77, "me")


def test_a_follower_shows_whole_flushes_only() -> None:
    owner, follower = counters(), counters()
    owner.apply({("a", MINUTE, RECEIVED): 1, ("b", MINUTE, RECEIVED): 1}, 1)
    *begun, last = owner.take_changes("other", 5)
    for key, value in begun:
        follower.follow(key, value)
    assert not follower.hours
    follower.follow(*last)
    assert [total(follower, scope, HOUR) for scope in ("a", "b", None)] == [1, 1, 2]
    assert (follower.applied, follower.as_of_ms, follower.owner) == (1, 5, "other")


def test_figures_stay_when_a_partition_is_given_up_and_older_records_of_the_next_owner_do_not_lower_them() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    older = changes_of(state)
    state.apply({("a", MINUTE, RECEIVED): 1}, 1)
    newer = changes_of(state)
    state.give_up()
    for key, value in older:
        state.follow(key, value)
    assert total(state, "a", HOUR) == 2
    next_owner = restored(older + newer)
    next_owner.apply({("a", MINUTE, RECEIVED): 1}, 2)
    for key, value in next_owner.take_changes("next", 9):
        state.follow(key, value)
    assert (total(state, "a", HOUR), state.owner) == (3, "next")


def test_a_partition_given_up_before_a_flush_is_not_settled_until_the_next_owner_has_counted_as_far() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    whole = changes_of(state)
    state.apply({("a", MINUTE, RECEIVED): 1}, 7)
    state.apply({}, 9)
    state.give_up()
    next_owner = restored(whole)
    for offset, is_settled in ((5, False), (7, True)):
        next_owner.apply({("b", MINUTE, RECEIVED): 1}, offset)
        for key, value in next_owner.take_changes("next", offset):
            state.follow(key, value)
        assert state.applied == offset
        assert state.is_settled == is_settled, "a cell of another offset than the answer's would be served"


def test_records_that_touch_no_counter_do_not_unsettle_a_partition_that_comes_back() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 7)
    whole = changes_of(state)
    state.apply({}, 9)
    state.give_up()
    next_owner = restored(whole)
    for key, value in next_owner.take_changes("next", 1):
        state.follow(key, value)
    state.adopt("me")
    assert state.is_settled, "the log may be quiet for hours"


@pytest.mark.parametrize("own_flush_between", [False, True])
def test_what_the_next_owner_logged_before_this_worker_knew_is_not_lost(own_flush_between: bool) -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    whole = changes_of(state)
    next_owner = restored(whole)
    next_owner.apply({("a", MINUTE, RECEIVED): 1, ("b", MINUTE, RECEIVED): 1}, 5)
    heard = next_owner.take_changes("next", 1)
    own = [(key, value) for key, value in whole if own_flush_between]
    for key, value in [heard[0], *own, *heard[1:]]:
        state.overhear(key, value, "me")
    assert total(state, "a", HOUR) == 1, "who is right is not known yet"
    state.give_up()
    next_owner.apply({("c", MINUTE, RECEIVED): 1}, 6)
    for key, value in next_owner.take_changes("next", 2):
        state.follow(key, value)
    state.adopt("me")
    assert [total(state, scope, HOUR) for scope in ("a", "b", "c", None)] == [2, 1, 1, 4]
    assert state.applied == 6


def test_a_partition_given_up_and_emptied_since_is_settled() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 7)
    state.give_up()
    other = counters()
    other.apply({("b", MINUTE, RECEIVED): 1}, 0)
    tombstone = (orjson.dumps([0, "a", HOUR]), None), (orjson.dumps([0, None, HOUR]), None)
    first, *rest = other.take_changes("next", 1)
    for key, value in [first, *tombstone, *rest]:
        state.follow(key, value)
    assert state.is_settled


def test_a_partition_is_not_settled_while_cells_are_ahead_after_a_crash_in_a_flush() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    whole = changes_of(state)
    state.apply({("a", MINUTE, RECEIVED): 1, ("b", MINUTE, RECEIVED): 1}, 5)
    begun = changes_of(state)[:2]
    again = restored(whole + begun)
    assert not again.is_settled
    follower = restored([])
    for key, value in [*whole, *begun, *again.take_changes("me", 1)]:
        follower.follow(key, value)
    assert not follower.is_settled, "the next owner says that it is not settled yet"
    again.apply({("a", MINUTE, RECEIVED): 1, ("b", MINUTE, RECEIVED): 1}, 5)
    assert again.is_settled
    assert [total(again, scope, HOUR) for scope in ("a", "b", None)] == [2, 1, 3]


def test_an_idle_partition_is_logged_once_a_second_so_that_others_know_how_current_it_is() -> None:
    state = counters()
    assert scopes_of(state.take_changes("me", 5_000)) == [[], ["counted"]]
    assert state.take_changes("me", 5_999) == []
    assert scopes_of(state.take_changes("me", 6_000)) == [[], ["counted"]]


def test_every_cell_is_logged_again_when_somebody_else_has_written() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    mine = changes_of(state)
    assert not state.is_foreign(*mine[0], "me")
    assert state.is_foreign(*mine[0], "other")
    state.log_all()
    assert len(cells_of(changes_of(state))) == 2


def test_nothing_of_the_old_log_stays_when_a_partition_starts_anew() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 500)
    changes_of(state)
    state.start_anew()
    emptied = changes_of(state)
    state.give_up()
    next_owner = restored(emptied)
    next_owner.apply({("a", MINUTE, RECEIVED): 1}, 3)
    for key, value in next_owner.take_changes("next", 9):
        state.follow(key, value)
    assert state.is_settled
    assert (total(state, "a", HOUR), state.applied, state.replayed_to) == (1, 3, 3)


def test_a_restored_cell_goes_on_under_its_key_in_the_changelog() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 0)
    logged = changes_of(state)
    again = restored(logged)
    again.apply({("a", MINUTE, RECEIVED): 1}, 1)
    assert [key for key, _ in cells_of(changes_of(again))] == [key for key, _ in cells_of(logged)]


def test_a_cell_that_is_ahead_of_the_others_is_logged_with_its_own_offset() -> None:
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1}, 300)
    changes = changes_of(state)
    again = restored(changes[:-1])
    again.apply({("b", MINUTE, RECEIVED): 1}, 2)
    again.log_all()
    offsets = {
        orjson.loads(key)[1]: msgspec.msgpack.decode(value, type=CellRecord).offset
        for key, value in cells_of(changes_of(again))
        if value is not None
    }
    assert offsets == {"a": 300, None: 300, "b": 2}


def test_organisations_beyond_the_bound_count_for_the_platform_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tables.partition_counters.MOST_ORGANIZATIONS", 2)
    state = counters()
    state.apply({("a", MINUTE, RECEIVED): 1, (None, MINUTE, RECEIVED): 1}, 0)
    assert not state.full_hours()
    state.apply({("b", MINUTE, RECEIVED): 1, ("c", MINUTE, RECEIVED): 5, ("c", MINUTE + 60, RECEIVED): 1}, 1)
    state.apply({("a", MINUTE, RECEIVED): 1}, 2)
    assert [total(state, scope, HOUR) for scope in ("a", "b", "c", None)] == [2, 1, 0, 9]
    assert total(state, "c", HOUR + HOUR_MS) == 1
    assert state.full_hours() == [HOUR]
    assert [state.leaves_out(scope, HOUR) for scope in ("a", "b", "c", "never seen")] == [False, False, True, True]
    assert not state.leaves_out("never seen", HOUR + HOUR_MS)
    state.mark_refused("c", HOUR, RECEIVED, 1)
    assert restored(changes_of(state)).full_hours() == [HOUR]
