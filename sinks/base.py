"""What the pipeline hands to a store, and what it expects back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """One accepted event: its offset in the source partition and its canonical JSON line, without a newline."""

    offset: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one source partition in log order; both offsets are inclusive and may lie outside the rows'."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that the store will never take, with the store's own words."""

    offset: int
    line: bytes
    message: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of a batch: `stored` rows are durable, the `refused` ones (in log order) are not stored."""

    stored: int
    refused: list[RefusedRow] = field(default_factory=list)


class Sink(Protocol):
    """A store for events, written at least once.

    What that asks of an implementation: `write` returns only when every row is either durable or refused; it may be
    called again with the same batch after any failure, also one that came after rows were stored, and must then
    neither lose nor visibly double a row; a batch that overlaps an earlier one (after a rebalance) must not double
    rows either. Nothing is ever dropped: a row that cannot be stored is returned as refused.
    """

    async def write(self, batch: Batch) -> WriteResult:
        """Every row of the batch accounted for, as stored or as refused.

        Raises SinkUnavailable when the store cannot take rows now; the caller retries the same batch.
        """
        ...

    async def check(self) -> None:
        """Nothing, if the store can take rows now; raises SinkUnavailable otherwise."""
        ...

    async def close(self) -> None:
        """Connections released; a write in flight may still reach the store."""
        ...


class SinkTelemetry(Protocol):
    """One method for each thing that happens on the way to the store."""

    def rows_stored(self, count: int, seconds: float) -> None:
        """One batch with `count` rows stored in it was confirmed after `seconds`, retries excluded."""
        ...

    def rows_refused(self, count: int) -> None:
        """The store refused `count` rows for good."""
        ...

    def store_unavailable(self, code: str) -> None:
        """One write failed and will be retried."""
        ...

    def store_available(self, seconds: float) -> None:
        """The store takes rows again after an outage of `seconds`."""
        ...


class SilentTelemetry:
    """Records nothing."""

    def rows_stored(self, count: int, seconds: float) -> None:
        """Nothing happens."""

    def rows_refused(self, count: int) -> None:
        """Nothing happens."""

    def store_unavailable(self, code: str) -> None:
        """Nothing happens."""

    def store_available(self, seconds: float) -> None:
        """Nothing happens."""
