"""Counters of one source partition: what is counted, logged, and taken over from the changelog.

A cell holds the eight counters of one organisation (None = platform) in one UTC hour, minute by minute. Its changelog
record carries the offset of the last source record applied, so that applying the log again from any earlier offset
changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import orjson

from app.domain.windows import HOUR_MS
from app.runtime.state_table import RecordPair
from tables.cells import (
    MINUTES,
    WIDTH,
    Cell,
    FlushEnd,
    FlushStart,
    cell_head,
    cell_of,
    flush_end,
    flush_start,
    marked_cell,
)

HEARTBEAT_MS = 1000
"""A partition without events is logged this often, so that other workers know how current its figures are."""

MOST_ORGANIZATIONS = 20_000
"""Counted one by one in an hour of a partition, the first ones in its log; all others count for the platform only."""

Place = tuple[str | None, int, tuple[int, ...]]
"""Organisation, minute number since the epoch, counter indexes."""

Tally = Mapping[Place, int]
"""Events at each place."""


class PartitionCounters:
    """All cells of one source partition.

    `applied` is the offset up to which every record has been applied to every cell; a restored cell may be ahead of
    it, at most to `restored_to`. Cells of windows that end `retention_ms` or more before the watermark are dropped.
    """

    def __init__(self, partition: int, retention_ms: int) -> None:
        self._partition = partition
        self._retention_ms = retention_ms
        self._start_key, self._end_key = orjson.dumps([partition]), orjson.dumps([partition, "counted"])
        self.watermark_ms = 0
        self.cutoff_ms = 0
        self.applied = -1
        self.restored_to = -1
        self.as_of_ms = 0
        self.owner = ""
        self.append_ms = 0
        self.digest = 0
        self.hours: dict[int, dict[str | None, Cell]] = {}
        self._has_news = False
        self._dirty: dict[tuple[str | None, int], None] = {}
        self._dropped: dict[tuple[str | None, int], None] = {}
        self._unfinished: list[RecordPair] = []
        self._changed_at = -1
        self._given_up_at = -1
        self._overheard: list[RecordPair] = []
        self._own_flushes: int | None = None

    @property
    def is_settled(self) -> bool:
        """False while some cells are ahead of others, after a crash in mid-flush: no figure is right then."""
        return self.applied >= self.restored_to

    @property
    def replayed_to(self) -> int:
        """Records up to this offset may have been applied to some cells already."""
        return max(self.applied, self.restored_to)

    def cutoff_at(self, watermark_ms: int) -> int:
        """Start of the oldest window that is still counted at a watermark; it moves with the hour."""
        return watermark_ms - watermark_ms % HOUR_MS - self._retention_ms

    def advance(self, watermark_ms: int) -> None:
        """Move the watermark; windows older than the retention are no longer counted."""
        if watermark_ms > self.watermark_ms:
            self.watermark_ms = watermark_ms
            cutoff_ms = self.cutoff_at(watermark_ms)
            # Events that touch no counter move it, too: a restart must not count what came too late for it.
            self._has_news = self._has_news or cutoff_ms != self.cutoff_ms
            self.cutoff_ms = cutoff_ms

    def mark(self, append_ms: int, digest: int) -> None:
        """Note what the record at `applied` looks like."""
        self.append_ms, self.digest = append_ms, digest

    def apply(self, tally: Tally, last_offset: int) -> None:
        """Count a slice of the log that ends at `last_offset`; one record at a time up to `replayed_to`."""
        if last_offset > self.applied:
            platform: dict[tuple[int, tuple[int, ...]], int] = {}
            for (_, minute, indexes), count in tally.items():
                at = minute, indexes
                platform[at] = platform.get(at, 0) + count
            self._add([item for item in tally.items() if item[0][0] is not None], last_offset)
            self._add([((None, *at), count) for at, count in platform.items()], last_offset)
            self.applied = last_offset
            if tally:
                self._changed_at = last_offset
        self._expire()

    def _add(self, counts: Iterable[tuple[Place, int]], last_offset: int) -> None:
        """Add to the cells, except to those that were restored with this part of the log in them."""
        latest, hour, base = -1, 0, 0
        cells: dict[str | None, Cell] = {}
        for (scope, minute, indexes), count in counts:
            if minute != latest:  # rare: a log is nearly in the order of time
                latest, hour, base = minute, minute // MINUTES * HOUR_MS, minute % MINUTES * WIDTH
                cells = self.hours.setdefault(hour, {})
            cell = cells.get(scope)
            if cell is None:
                if scope is not None and _is_full(cells):
                    continue
                cell = cells[scope] = Cell(self._cell_key(scope, hour))
            if last_offset > cell.offset:
                minutes = cell.minutes
                for index in indexes:
                    minutes[base + index] += count
                if not cell.is_dirty:
                    cell.is_dirty = True
                    self._dirty[scope, hour] = None

    def full_hours(self) -> list[int]:
        """Windows with as many organisations as are counted one by one."""
        return [hour for hour, cells in self.hours.items() if _is_full(cells)]

    def leaves_out(self, organization_id: str, hour: int) -> bool:
        """True if events of the organisation in a window may have been counted for the platform only."""
        cells = self.hours.get(hour, {})
        return organization_id not in cells and _is_full(cells)

    def mark_refused(self, organization_id: str | None, timestamp_ms: int, indexes: Sequence[int], offset: int) -> None:
        """Mark the counters that hold an event without a row, because the store refused it; in log order.

        The mark lives as long as the window. Nothing is marked where the event is not counted.
        """
        hour = timestamp_ms - timestamp_ms % HOUR_MS
        cells = self.hours.get(hour, {})
        for scope in {None, organization_id} if indexes else ():
            cell = cells.get(scope)
            if cell is not None and cell.mark(offset, indexes) and not cell.is_dirty:
                cell.is_dirty = True
                self._dirty[scope, hour] = None

    def _cell_key(self, scope: str | None, hour: int) -> bytes:
        return orjson.dumps([self._partition, scope, hour])

    def _expire(self) -> None:
        for hour in [hour for hour in self.hours if hour < self.cutoff_ms]:
            for scope in self.hours.pop(hour):
                self._dirty.pop((scope, hour), None)
                self._dropped[scope, hour] = None

    def take_changes(self, writer: str, as_of_ms: int) -> list[RecordPair]:
        """Changelog records since the last call: the watermark first, so that no replay rebuilds a dropped window."""
        is_due = as_of_ms - self.as_of_ms >= HEARTBEAT_MS
        if not (self._dirty or self._dropped or self._has_news or is_due):
            return []
        self.as_of_ms, self.owner = max(as_of_ms, self.as_of_ms), writer
        encode = msgspec.msgpack.encode
        changes: list[RecordPair] = [(self._start_key, encode(FlushStart(self.watermark_ms, writer)))]
        changes += [(self._cell_key(scope, hour), None) for scope, hour in self._dropped]
        changes += self._dirty_cells()
        changes.append((self._end_key, encode(self._flush_end(writer))))
        self._dirty, self._dropped, self._has_news = {}, {}, False
        return changes

    def _dirty_cells(self) -> list[RecordPair]:
        """Changelog records of the changed cells.

        Nearly all carry the same offset, and counts take the same room in each: only the counts are put in anew.
        """
        applied, head = self.applied, cell_head(self.applied)
        changes: list[RecordPair] = []
        for scope, hour in self._dirty:
            cell = self.hours[hour][scope]
            if cell.refused:
                changes.append((cell.key, marked_cell(cell, max(cell.offset, applied))))
            else:
                own = head if cell.offset <= applied else cell_head(cell.offset)
                changes.append((cell.key, own + cell.minutes.tobytes()))
            cell.is_dirty = False
        return changes

    def _flush_end(self, writer: str) -> FlushEnd:
        return FlushEnd(self.applied, self.restored_to, self.as_of_ms, writer, self.append_ms, self.digest)

    def start_anew(self) -> None:
        """Forget everything: the log itself is another one. The changelog loses every cell at the next flush."""
        self._dropped |= {(scope, hour): None for hour, cells in self.hours.items() for scope in cells}
        self.hours, self._dirty, self._has_news = {}, {}, True
        self.watermark_ms = self.cutoff_ms = self.append_ms = self.digest = 0
        self.applied = self.restored_to = self._changed_at = self._given_up_at = -1

    def log_all(self) -> None:
        """Log every cell again at the next flush."""
        for hour, cells in self.hours.items():
            for scope, cell in cells.items():
                cell.is_dirty = True
                self._dirty[scope, hour] = None
        self._has_news = True

    def follow(self, key: bytes, value: bytes | None) -> None:
        """Take over a changelog record of a partition that another worker counts, whole flushes at a time."""
        self._unfinished.append((key, value))
        if key == self._end_key:
            self._finish()

    def is_foreign(self, key: bytes, value: bytes | None, writer: str) -> bool:
        """True if the record starts a flush by somebody other than `writer`."""
        return key == self._start_key and value is not None and flush_start(value).writer != writer

    def overhear(self, key: bytes, value: bytes | None, writer: str) -> None:
        """Keep the flushes of others while `writer` counts: it may have lost the partition and not know it yet.

        Flushes of two writers can be interleaved, so what is logged between is kept, too.
        """
        if key == self._start_key and value is not None:
            if flush_start(value).writer != writer:
                self._own_flushes = 0
            elif self._own_flushes is not None:
                # The second one of its own shows that the other writer ended in the middle.
                self._own_flushes = None if self._own_flushes else 1
        if self._own_flushes is not None:
            self._overheard.append((key, value))
            if key == self._end_key and value is not None and flush_end(value).writer != writer:
                self._own_flushes = None

    def adopt(self, writer: str) -> None:
        """Become the owner of what the changelog says; records up to the last complete flush are in every cell."""
        self._finish()
        ahead = (cell.offset for cells in self.hours.values() for cell in cells.values())
        self.restored_to = max(ahead, default=-1)
        self.owner, self._has_news = writer, True

    def give_up(self) -> None:
        """Count no longer; the figures stay, and records of the next owner replace what is older than they are.

        Until that owner has counted as far, the figures are ahead of the offset that it names.
        """
        self._given_up_at = self._changed_at
        for cells in self.hours.values():
            for cell in cells.values():
                cell.offset = max(cell.offset, self._changed_at)
                cell.is_dirty = False
        self._dirty, self._dropped, self._has_news = {}, {}, False
        overheard, self._overheard, self._own_flushes = self._overheard, [], None
        for key, value in overheard:
            self.follow(key, value)

    def _finish(self) -> None:
        for key, value in self._unfinished:
            if value is None:
                self._forget(key)
            elif key == self._start_key:
                self.advance(flush_start(value).watermark_ms)
                self._expire()
            elif key == self._end_key:
                end = flush_end(value)
                self.applied, self.restored_to = end.offset, max(end.restored_to, self._given_up_at)
                self.as_of_ms, self.owner = end.as_of_ms, end.writer
                self.append_ms, self.digest = end.append_ms, end.digest
            else:
                self._take_cell(key, value)
        self._unfinished = []

    def _take_cell(self, key: bytes, value: bytes) -> None:
        """The cell of a record, unless the one in memory is newer."""
        _, scope, hour = orjson.loads(key)
        cell = cell_of(key, value)
        cells = self.hours.setdefault(hour, {})
        if scope not in cells or cell.offset >= cells[scope].offset:
            cells[scope] = cell
        if hour < self.cutoff_ms:
            self._expire()

    def _forget(self, key: bytes) -> None:
        _, scope, hour = orjson.loads(key)
        self._dropped.pop((scope, hour), None)
        cells = self.hours.get(hour, {})
        cells.pop(scope, None)
        if not cells:
            self.hours.pop(hour, None)
        if not self.hours:
            self._given_up_at = -1


def _is_full(cells: Mapping[str | None, Cell]) -> bool:
    return len(cells) - (None in cells) >= MOST_ORGANIZATIONS
