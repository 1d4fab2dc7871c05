"""Live counters: a windowed Faust table keyed by source partition, counter type, organisation and hour.

A cell holds the eight counters of one organisation (None = platform) in one UTC hour of one source partition, minute
by minute. Its changelog record carries the offset of the last source record applied, so that applying the log again
from any earlier offset changes nothing.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS
from app.runtime.state_table import RecordPair, StateTable

WIDTH = len(COUNTER_TYPES)
MINUTES = 60
EMPTY = bytes(4 * WIDTH * MINUTES)

Tally = Mapping[tuple[str | None, int, tuple[int, ...]], int]
"""(organisation, minute number since the epoch, counter indexes) → events."""


class CellRecord(msgspec.Struct, array_like=True):
    """Changelog value of one cell: last source offset applied; `WIDTH` counts a minute as uint32, minute by minute."""

    offset: int
    minutes: bytes


class PartitionRecord(msgspec.Struct, array_like=True):
    """Changelog value of a partition: greatest event time counted, offset up to which it was taken."""

    watermark_ms: int
    offset: int


class Cell:
    """Counts of one organisation and hour; `offset` is the last source offset known to be applied when restored."""

    __slots__ = ("minutes", "offset")

    def __init__(self, offset: int = -1, minutes: bytes = EMPTY) -> None:
        self.offset = offset
        self.minutes = array("I", minutes)


class Entry(NamedTuple):
    """One counter of the table, summed over the partitions that were asked."""

    counter_type: str
    organization_id: str | None
    window_start_ms: int
    value: int


class PartitionCounters:
    """All cells of one source partition.

    `applied` is the offset up to which every record has been applied to every cell; a restored cell may be ahead of
    it, at most to `restored_to`. Cells of windows that end `retention_ms` or more before the watermark are dropped.
    """

    def __init__(self, retention_ms: int) -> None:
        self._retention_ms = retention_ms
        self.watermark_ms = 0
        self.cutoff_ms = 0
        self.applied = -1
        self.restored_to = -1
        self.hours: dict[int, dict[str | None, Cell]] = {}
        self._has_new_cutoff = False
        self._dirty: dict[tuple[str | None, int], None] = {}
        self._dropped: list[tuple[str | None, int]] = []

    @property
    def replayed_to(self) -> int:
        """Records up to this offset may have been applied to some cells already."""
        return max(self.applied, self.restored_to)

    def advance(self, watermark_ms: int) -> None:
        """Move the watermark; windows older than the retention are no longer counted."""
        if watermark_ms > self.watermark_ms:
            self.watermark_ms = watermark_ms
            cutoff_ms = watermark_ms - watermark_ms % HOUR_MS - self._retention_ms
            # Events that touch no counter move it, too: a restart must not count what came too late for it.
            self._has_new_cutoff = self._has_new_cutoff or cutoff_ms != self.cutoff_ms
            self.cutoff_ms = cutoff_ms

    def apply(self, tally: Tally, last_offset: int) -> None:
        """Count a slice of the log that ends at `last_offset`; one record at a time up to `replayed_to`."""
        if last_offset > self.applied:
            is_new = last_offset > self.restored_to
            for (organization, minute, indexes), count in tally.items():
                hour = minute // MINUTES * HOUR_MS
                base = minute % MINUTES * WIDTH
                for scope in (None,) if organization is None else (organization, None):
                    cell = self._cell(scope, hour)
                    if is_new or last_offset > cell.offset:
                        for index in indexes:
                            cell.minutes[base + index] += count
                        self._dirty[scope, hour] = None
            self.applied = last_offset
        self._expire()

    def _cell(self, scope: str | None, hour: int) -> Cell:
        cells = self.hours.get(hour)
        if cells is None:
            cells = self.hours[hour] = {}
        cell = cells.get(scope)
        if cell is None:
            cell = cells[scope] = Cell()
        return cell

    def _expire(self) -> None:
        for hour in [hour for hour in self.hours if hour < self.cutoff_ms]:
            for scope in self.hours.pop(hour):
                self._dirty.pop((scope, hour), None)
                self._dropped.append((scope, hour))

    def take_changes(self, partition: int) -> list[RecordPair]:
        """Changelog records since the last call: the watermark first, so that no replay rebuilds a dropped window."""
        if not (self._dirty or self._dropped or self._has_new_cutoff):
            return []
        encode = msgspec.msgpack.encode
        changes: list[RecordPair] = [
            (orjson.dumps([partition]), encode(PartitionRecord(self.watermark_ms, self.applied)))
        ]
        changes += [(orjson.dumps([partition, scope, hour]), None) for scope, hour in self._dropped]
        for scope, hour in self._dirty:
            cell = self.hours[hour][scope]
            record = CellRecord(max(cell.offset, self.applied), cell.minutes.tobytes())
            changes.append((orjson.dumps([partition, scope, hour]), encode(record)))
        self._dirty, self._dropped, self._has_new_cutoff = {}, [], False
        return changes

    def restore(self, key: list[Any], value: bytes | None) -> None:
        """Take over a changelog record; of two for one cell the one with the higher offset stays."""
        if len(key) == 1:
            if value is not None:
                self.advance(msgspec.msgpack.decode(value, type=PartitionRecord).watermark_ms)
                self._has_new_cutoff = False
                self._expire()
            return
        _, scope, hour = key
        cells = self.hours.setdefault(hour, {})
        if value is None:
            cells.pop(scope, None)
            return
        record = msgspec.msgpack.decode(value, type=CellRecord)
        if scope not in cells or record.offset >= cells[scope].offset:
            cells[scope] = Cell(record.offset, record.minutes)
            self.restored_to = max(self.restored_to, record.offset)
        if hour < self.cutoff_ms:
            self._expire()


class CountersTable(StateTable):
    """The Faust table `counters`: one `PartitionCounters` for each source partition that this worker owns."""

    def __init__(self, app: Any, *, retention_hours: int, **options: Any) -> None:
        super().__init__(app, name="counters", help="Events by counter type, organisation and UTC hour", **options)
        self._retention_ms = retention_hours * HOUR_MS
        self._partitions: dict[int, PartitionCounters] = {}

    def partition(self, partition: int) -> PartitionCounters:
        """The state of a source partition, empty if nothing was counted."""
        state = self._partitions.get(partition)
        if state is None:
            state = self._partitions[partition] = PartitionCounters(self._retention_ms)
        return state

    def take_changes(self, partition: int) -> Sequence[RecordPair]:
        """Changed cells and dropped windows of a partition."""
        return self.partition(partition).take_changes(partition)

    def apply(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take over one changelog record."""
        self.partition(partition).restore(orjson.loads(key), value)

    def purge(self, partition: int) -> None:
        """Forget a partition."""
        self._partitions.pop(partition, None)

    def __len__(self) -> int:
        return sum(len(cells) for state in self._partitions.values() for cells in state.hours.values())

    def totals(self, organization_id: str | None, first_minute: int, last_minute: int) -> list[int]:
        """The eight counters over whole minutes, both ends included, numbered since the epoch."""
        result = [0] * WIDTH
        for minute in range(first_minute, last_minute + 1):
            hour, base = minute // MINUTES * HOUR_MS, minute % MINUTES * WIDTH
            for state in self._partitions.values():
                cell = state.hours.get(hour, {}).get(organization_id)
                if cell is not None:
                    for index in range(WIDTH):
                        result[index] += cell.minutes[base + index]
        return result

    def entries(self) -> Iterator[Entry]:
        """Every counter that is not 0, by window and organisation, the platform (None) first."""
        sums: dict[tuple[int, str | None], list[int]] = {}
        for state in self._partitions.values():
            for hour, cells in state.hours.items():
                for scope, cell in cells.items():
                    row = sums.setdefault((hour, scope), [0] * WIDTH)
                    for index in range(WIDTH):
                        row[index] += sum(cell.minutes[index::WIDTH])
        for hour, scope in sorted(sums, key=lambda at: (at[0], at[1] is not None, at[1] or "")):
            for index, value in enumerate(sums[hour, scope]):
                if value:
                    yield Entry(COUNTER_TYPES[index], scope, hour, value)
