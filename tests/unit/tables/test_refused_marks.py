"""Marks of live counts that hold events whose rows the store refused."""

from collections.abc import Sequence

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.runtime.state_table import RecordPair
from tables.partition_counters import PartitionCounters

RETENTION_MS = 3 * HOUR_MS
HOUR = 500_000 * HOUR_MS
MINUTE = HOUR // MINUTE_MS
RECEIVED, FAILED = (0,), (2, 7)


def counted() -> PartitionCounters:
    state = PartitionCounters(0, RETENTION_MS)
    state.apply({("a", MINUTE, RECEIVED): 2, ("b", MINUTE, FAILED): 1, (None, MINUTE, RECEIVED): 1}, 10)
    return state


def restored(changes: Sequence[RecordPair]) -> PartitionCounters:
    state = PartitionCounters(0, RETENTION_MS)
    for key, value in changes:
        state.follow(key, value)
    state.adopt("me")
    return state


def marks(state: PartitionCounters, scope: str | None) -> dict[str, int]:
    cell = state.hours[HOUR][scope]
    return {name: count for name, count in zip(COUNTER_TYPES, cell.refused, strict=False) if count}


def test_an_event_without_a_row_marks_its_organisation_and_the_platform() -> None:
    state = counted()
    state.mark_refused("a", HOUR + 5, RECEIVED, 3)
    state.mark_refused("b", HOUR + 5, FAILED, 4)
    state.mark_refused(None, HOUR + 5, RECEIVED, 5)
    received, *_, failures = COUNTER_TYPES
    assert marks(state, "a") == {received: 1}
    assert marks(state, "b") == {COUNTER_TYPES[2]: 1, failures: 1}
    assert marks(state, None) == {received: 2, COUNTER_TYPES[2]: 1, failures: 1}


def test_the_same_event_refused_again_is_marked_once() -> None:
    state = counted()
    for offset in (3, 4, 3, 4):
        state.mark_refused("a", HOUR, RECEIVED, offset)
    assert sum(marks(state, "a").values()) == 2


def test_marks_come_back_from_the_changelog_with_the_counts() -> None:
    state = counted()
    state.take_changes("me", 0)
    state.mark_refused("a", HOUR, RECEIVED, 3)
    changes = state.take_changes("me", 0)
    assert len(changes) == 4, "start, two cells, end"
    again = restored(changes)
    assert marks(again, "a") == marks(again, None) == {COUNTER_TYPES[0]: 1}
    assert (sum(again.hours[HOUR]["a"].minutes), again.applied) == (2, 10)
    again.mark_refused("a", HOUR, RECEIVED, 3)
    assert marks(again, "a") == {COUNTER_TYPES[0]: 1}


def test_an_event_that_is_not_counted_marks_nothing() -> None:
    state = counted()
    state.take_changes("me", 0)
    state.mark_refused("a", HOUR, (), 3)
    state.mark_refused("a", HOUR - HOUR_MS, RECEIVED, 4)
    assert marks(state, "a") == {}
    assert state.take_changes("me", 0) == []
