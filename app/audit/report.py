"""What an audit found: figures, notes that are no failures, and differences."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the log says; `kind` is counters, dead_letters, log or store."""

    kind: str
    partition: int | None
    text: str


@dataclass(slots=True)
class Differences:
    """Every difference is counted, the first of each kind are kept."""

    count: dict[str, int] = field(default_factory=dict)
    listed: list[Difference] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.count.values())

    def add(self, kind: str, partition: int | None, text: str) -> None:
        """Note one."""
        self.count[kind] = self.count.get(kind, 0) + 1
        if self.count[kind] <= MOST_LISTED:
            self.listed.append(Difference(kind, partition, text))


@dataclass(slots=True)
class PartitionFigures:
    """What the log of a partition holds in the audited range: accepted + duplicates + dead letters = records.

    `committed` is the group's committed offset, None if it has none; offsets are None where there is no record.
    """

    partition: int
    committed: int | None = None
    first_offset: int | None = None
    last_offset: int | None = None
    records: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    late: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every record is exactly one of the three."""
        return self.accepted + self.duplicates + self.refused == self.records


@dataclass(slots=True)
class WorkerFigures:
    """How many counters of a worker were compared, and at which offsets by partition."""

    url: str
    offsets: dict[int, int] = field(default_factory=dict)
    counters: int = 0
    differing: int = 0


@dataclass(slots=True)
class HourFigures:
    """Stored rows of an hour beside the accepted events of the log whose offsets are committed.

    `refused` of the hour's accepted events have no row because the store refused it. `id_conflicts` of its rows' ids
    have a row under another key, too, in this hour or another.
    """

    hour_ms: int
    expected: int = 0
    stored: int = 0
    missing: int = 0
    extra: int = 0
    differing: int = 0
    refused: int = 0
    id_conflicts: int = 0


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """An accepted event whose row the store refused: it is in the live counts of its window, and in no row."""

    partition: int
    offset: int
    event_id: str
    event_type: str
    organization_id: str | None
    window_ms: int


@dataclass(slots=True)
class Notes:
    """What is counted, but is no failure.

    Copies across partitions: events whose id another partition has, too. Late: no live window took them. Repeated dead
    letters: the same record refused again after a crash. Refused by the store: accepted and counted, but without a
    row; the first of them are in `refused`. Removed copies: without a row, because an earlier event of another
    partition has the id. Id conflicts: ids that have rows under more than one key. Frozen rows: rows in no snapshot, by
    the start of their hour, which is never computed again.
    """

    copies_across_partitions: int = 0
    late: int = 0
    repeated_dead_letters: int = 0
    refused_by_store: int = 0
    removed_copies: int = 0
    id_conflicts: int | None = None
    frozen_rows: Mapping[int, int] | None = None
    refused: list[RefusedRow] = field(default_factory=list)
    refused_by_hour: Counter[int] = field(default_factory=Counter)

    def note_refused(self, row: RefusedRow) -> None:
        """Count a row that the store refused."""
        self.refused_by_store += 1
        self.refused_by_hour[row.window_ms] += 1
        if len(self.refused) < MOST_LISTED:
            self.refused.append(row)


@dataclass(slots=True)
class Report:
    """Everything that an audit prints; `hours` is None if the store was left out."""

    from_ms: int | None
    to_ms: int | None
    partitions: list[PartitionFigures] = field(default_factory=list)
    workers: list[WorkerFigures] = field(default_factory=list)
    hours: list[HourFigures] | None = None
    notes: Notes = field(default_factory=Notes)
    differences: Differences = field(default_factory=Differences)

    @property
    def is_clean(self) -> bool:
        """True if nothing differs."""
        return self.differences.total == 0

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "clean": self.is_clean,
            "from": self.from_ms,
            "to": self.to_ms,
            "partitions": [_partition(at) for at in self.partitions],
            "workers": [_worker(worker) for worker in self.workers],
            "store": None if self.hours is None else [_hour(hour) for hour in self.hours],
            "notes": {
                "copiesAcrossPartitions": self.notes.copies_across_partitions,
                "late": self.notes.late,
                "repeatedDeadLetters": self.notes.repeated_dead_letters,
                "refusedByStore": self.notes.refused_by_store,
                "removedCopies": self.notes.removed_copies,
                "idConflicts": self.notes.id_conflicts,
                "frozenRows": None if self.notes.frozen_rows is None else sum(self.notes.frozen_rows.values()),
            },
            "frozenHours": [{"hour": hour, "rows": rows} for hour, rows in (self.notes.frozen_rows or {}).items()],
            "refusedByStore": [_refused(row) for row in self.notes.refused],
            "differences": {
                "total": self.differences.total,
                "byKind": self.differences.count,
                "listed": [
                    {"kind": one.kind, "partition": one.partition, "text": one.text} for one in self.differences.listed
                ],
            },
        }


def _partition(at: PartitionFigures) -> dict[str, Any]:
    return {
        "partition": at.partition,
        "committed": at.committed,
        "firstOffset": at.first_offset,
        "lastOffset": at.last_offset,
        "records": at.records,
        "accepted": at.accepted,
        "duplicates": at.duplicates,
        "deadLetters": at.refused,
        "late": at.late,
    }


def _worker(worker: WorkerFigures) -> dict[str, Any]:
    return {
        "url": worker.url,
        "offsets": [{"partition": number, "offset": offset} for number, offset in sorted(worker.offsets.items())],
        "counters": worker.counters,
        "differing": worker.differing,
    }


def _hour(hour: HourFigures) -> dict[str, Any]:
    return {
        "hour": hour.hour_ms,
        "expected": hour.expected,
        "stored": hour.stored,
        "missing": hour.missing,
        "extra": hour.extra,
        "differing": hour.differing,
        "refusedByStore": hour.refused,
        "idConflicts": hour.id_conflicts,
    }


def _refused(row: RefusedRow) -> dict[str, Any]:
    scope = {} if row.organization_id is None else {"organizationId": row.organization_id}
    return {
        "partition": row.partition,
        "offset": row.offset,
        "eventId": row.event_id,
        "eventType": row.event_type,
        **scope,
        "windowStart": row.window_ms,
    }
