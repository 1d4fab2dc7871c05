"""The bounded buffer between callers and the sender, and the numbers that tell what became of each event."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.publisher.records import DropReason, Record
from app.runtime.settings import MIB

MAX_IDS_REPORTED = 100


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """Bounds of the events that wait for their acknowledgement; a new event beyond one of them is dropped."""

    events: int = 100_000
    bytes: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """What became of the events: published = delivered + buffered + all dropped."""

    published: int
    delivered: int
    buffered: int
    buffered_bytes: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def dropped_total(self) -> int:
        """Events dropped for any reason."""
        return sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class CloseReport:
    """What `close` could still deliver.

    `undelivered` events had no acknowledgement in time; one of them may be in the log nevertheless.
    `undelivered_ids` names the first hundred of them.
    """

    stats: PublisherStats
    undelivered: int
    undelivered_ids: tuple[str, ...] = ()


class Buffer:
    """Records from `offer` until `confirm` or `drop`; safe to use from several threads.

    The lock is reentrant, so that a signal handler that publishes cannot wait for the code it interrupted.
    """

    def __init__(self, limits: BufferLimits) -> None:
        self._limits = limits
        self._lock = threading.RLock()
        self._waiting: list[Record] = []
        self._open: dict[int, Record] = {}
        self._open_bytes = 0
        self._next_number = 0
        self._published = 0
        self._delivered = 0
        self._dropped: Counter[str] = Counter()
        self._sender_sleeps = True
        self._closed = False

    def offer(self, record: Record) -> tuple[DropReason | None, bool]:
        """Why the record was not taken (None: taken), and whether the sender has to be woken."""
        size = record.size_bytes
        with self._lock:
            self._published += 1
            reason = self._refusal(size)
            if reason is not None:
                self._dropped[reason] += 1
                return reason, False
            record.number = self._next_number
            self._next_number += 1
            self._open[record.number] = record
            self._open_bytes += size
            self._waiting.append(record)
            wake, self._sender_sleeps = self._sender_sleeps, False
            return None, wake

    def _refusal(self, size_bytes: int) -> DropReason | None:
        if self._closed:
            return DropReason.CLOSED
        if len(self._open) >= self._limits.events or self._open_bytes + size_bytes > self._limits.bytes:
            return DropReason.BUFFER_FULL
        return None

    def refuse(self, reason: DropReason) -> None:
        """Count an event that never became a record."""
        with self._lock:
            self._published += 1
            self._dropped[reason] += 1

    def take(self) -> list[Record]:
        """All records not yet taken, in order; if there are none, the next `offer` asks for a wake-up."""
        with self._lock:
            taken, self._waiting = self._waiting, []
            self._sender_sleeps = not taken
            return taken

    def ask_for_wake(self) -> None:
        """Let the next `offer` ask for a wake-up."""
        with self._lock:
            self._sender_sleeps = True

    def put_back(self) -> None:
        """Make all records without acknowledgement available to `take` again, in order."""
        with self._lock:
            self._waiting = list(self._open.values())

    def confirm(self, records: Iterable[Record]) -> None:
        """Count records as delivered and forget them."""
        with self._lock:
            self._delivered += self._forget(records)

    def drop(self, records: Iterable[Record], reason: DropReason) -> None:
        """Count records as dropped and forget them."""
        with self._lock:
            count = self._forget(records)
            if count:
                self._dropped[reason] += count

    def _forget(self, records: Iterable[Record]) -> int:
        count = 0
        for record in records:
            if self._open.pop(record.number, None) is not None:
                self._open_bytes -= record.size_bytes
                count += 1
        return count

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._closed = True

    def abandon(self) -> CloseReport:
        """Drop what is left as not delivered, and report."""
        with self._lock:
            left = list(self._open.values())
            self.drop(left, DropReason.NOT_DELIVERED)
            self._waiting = []
            ids = tuple(record.event_id for record in left[:MAX_IDS_REPORTED])
            return CloseReport(stats=self.stats(), undelivered=len(left), undelivered_ids=ids)

    @property
    def is_empty(self) -> bool:
        """Whether every record taken was delivered or dropped."""
        return not self._open

    @property
    def is_half_full(self) -> bool:
        """Whether half of one of the bounds is used."""
        return 2 * len(self._open) >= self._limits.events or 2 * self._open_bytes >= self._limits.bytes

    def stats(self) -> PublisherStats:
        """The numbers as they are now."""
        with self._lock:
            return PublisherStats(
                published=self._published,
                delivered=self._delivered,
                buffered=len(self._open),
                buffered_bytes=self._open_bytes,
                dropped={str(reason): count for reason, count in self._dropped.items()},
            )
