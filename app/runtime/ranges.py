"""A run of records as the unit of reading, and what decides how ranges are read and committed."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from app.runtime.faults import Faults


@dataclass(slots=True, eq=False)
class Range:
    """A run of records of one partition, in offset order.

    `previous` is the last offset of the range before it, None directly after a seek. `epoch` names the seek after
    which it was fetched: a range of an earlier epoch has been forgotten and will be fetched again.
    """

    tp: TP
    records: list[Any]
    previous: int | None
    epoch: int
    first: int = field(init=False)
    last: int = field(init=False)
    last_append_ms: int = field(init=False)
    is_complete: bool = False

    def __post_init__(self) -> None:
        self.first = self.records[0].offset
        self.last = self.records[-1].offset
        self.last_append_ms = self.records[-1].timestamp


@dataclass(frozen=True, slots=True)
class RangePolicy:
    """Which topics are read in ranges, how large, and what must be durable before their offsets are committed.

    `before_commit` makes the state of partitions durable and says whether it succeeded. `other_logs` gives the start
    offsets of those partitions whose log is no longer the one that was counted.
    """

    topics: frozenset[str]
    records: int
    in_flight: int
    before_commit: Callable[[Collection[int]], Awaitable[bool]]
    after_commit: Callable[[Mapping[int, int]], None]
    forget: Callable[[], None]
    other_logs: Callable[[Collection[int]], Awaitable[Mapping[int, int]]]
    faults: Faults


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition has been read.

    `lag` counts records that may be read but are not counted yet, `uncommitted` those counted or fetched beyond the
    commit. `contact_ms` is when the broker last answered, `is_current` whether all it had then has been counted.
    """

    lag: int
    uncommitted: int
    contact_ms: int
    is_current: bool
