"""What the web views need of a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tables.counters import CountersTable


@dataclass(frozen=True, slots=True)
class TablePartition:
    """A source partition of a table: who owns it, the end of its changelog, and how many records are not counted yet.

    The last two are known to the owner only.
    """

    partition: int
    owner: str
    changelog_offset: int | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One Faust table as this worker sees it; `windows` says in words what it keeps for how long."""

    name: str
    help: str
    changelog: str
    partitions: Sequence[int]
    entries: int
    windows: str
    owners: Sequence[TablePartition]


class WorkerView(Protocol):
    """A worker, seen from its web views."""

    @property
    def counters(self) -> CountersTable:
        """The counters table; asked for only when nothing is `incomplete`."""
        ...

    def not_ready(self) -> list[str]:
        """Reasons why the worker is not ready, in words; empty if it is."""
        ...

    def incomplete(self) -> str | None:
        """Why live figures would not be complete here now, None if they are."""
        ...

    def as_of_ms(self) -> int:
        """Oldest append time up to which every partition has been counted; the broker's last answer where all is."""
        ...

    def now_ms(self) -> int:
        """The worker's clock, in milliseconds."""
        ...

    def resume(self) -> bool:
        """Go on although too many records are refused; False if that did not hold the worker back."""
        ...

    def tables(self) -> list[TableInfo]:
        """The Faust tables."""
        ...

    def exposition(self) -> bytes:
        """Metrics in Prometheus' text format."""
        ...
