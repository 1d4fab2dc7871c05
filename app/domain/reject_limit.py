"""When so many records are refused that the publishers or the monitor are wrong, not the records."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RejectLimits:
    """`in_a_row` records refused one after the other, or more than `share` (0-1) of the last `window`, are too many."""

    in_a_row: int
    share: float
    window: int


@dataclass(slots=True)
class _Partition:
    run: int = 0
    ranges: deque[tuple[int, int]] = field(default_factory=deque)
    records: int = 0
    refused: int = 0


class RejectLimit:
    """Judges every partition by itself: one broken publisher often fills one partition only.

    The window holds whole ranges, so it may be longer than the limit says, and is judged once it is full.
    """

    def __init__(self, limits: RejectLimits) -> None:
        self._limits = limits
        self._partitions: dict[int, _Partition] = {}

    def note(self, partition: int, records: int, refused: Sequence[int]) -> str | None:
        """Why the refused ones of a range's `records` are too many, None if they are not.

        `refused` has their positions in the range, 0 first, in ascending order; there is at least one record.
        """
        state = self._partitions.setdefault(partition, _Partition())
        longest = _follow(state, records, refused)
        limits = self._limits
        state.ranges.append((records, len(refused)))
        state.records += records
        state.refused += len(refused)
        while state.records - state.ranges[0][0] >= limits.window:
            old_records, old_refused = state.ranges.popleft()
            state.records -= old_records
            state.refused -= old_refused
        if longest >= limits.in_a_row:
            return f"{longest:,} records of partition {partition} in a row were refused"
        if state.records >= limits.window and state.refused > limits.share * state.records:
            return f"{state.refused:,} of the last {state.records:,} records of partition {partition} were refused"
        return None

    def forget(self) -> None:
        """Judge only what is noted from now on."""
        self._partitions.clear()


def _follow(state: _Partition, records: int, refused: Sequence[int]) -> int:
    """Length of the longest run of refused records that this range has or goes on with."""
    longest, run, next_position = 0, state.run, 0
    for position in refused:
        run = run + 1 if position == next_position else 1
        next_position = position + 1
        longest = max(longest, run)
    state.run = run if refused and next_position == records else 0
    return longest
