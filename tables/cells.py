"""Cells of the counters table, and the changelog records of a flush."""

from array import array
from collections.abc import Iterable, Sequence

import msgspec

from app.domain.counters import COUNTER_TYPES

WIDTH = len(COUNTER_TYPES)
MINUTES = 60
EMPTY = bytes(4 * WIDTH * MINUTES)


class CellRecord(msgspec.Struct, array_like=True):
    """Changelog value of one cell: last source offset applied; `WIDTH` counts a minute as uint32, minute by minute."""

    offset: int
    minutes: bytes


class MarkedCellRecord(CellRecord, array_like=True):
    """The same with what the store refused (see `Cell.mark`), and the last offset of those."""

    refused: list[int] = []
    refused_to: int = -1


class FlushStart(msgspec.Struct, array_like=True):
    """First changelog record of a flush: greatest event time counted, and who writes."""

    watermark_ms: int
    writer: str


class FlushEnd(msgspec.Struct, array_like=True):
    """Last changelog record of a flush.

    Every source record up to `offset` is in the cells logged so far, some cells may be ahead of it up to
    `restored_to`; `as_of_ms` is the time that `offset` stands for, `writer` the partition's owner. `append_ms` and
    `digest` tell the source record at `offset` from another one that may come to stand there.
    """

    offset: int
    restored_to: int
    as_of_ms: int
    writer: str
    append_ms: int = 0
    digest: int = 0


class Cell:
    """Counts of one organisation and hour.

    `key` is that of its changelog record. `offset` is the last source offset known to be applied when restored;
    `is_dirty` says that it is listed for the next flush. `refused` is empty or has, by counter, how many of the counted
    events have no row because the store refused it.
    """

    __slots__ = ("is_dirty", "key", "minutes", "offset", "refused", "refused_to")

    def __init__(
        self, key: bytes, offset: int = -1, minutes: bytes = EMPTY, refused: Sequence[int] = (), refused_to: int = -1
    ) -> None:
        self.key = key  # kept, since making it costs as much as copying the counts
        self.offset = offset
        self.is_dirty = False
        self.minutes = array("I", minutes)
        self.refused = list(refused)
        self.refused_to = refused_to

    def mark(self, offset: int, indexes: Iterable[int]) -> bool:
        """Note an event that the store refused, in log order; False if it was noted before."""
        if offset <= self.refused_to:
            return False
        self.refused_to = offset
        self.refused = self.refused or [0] * WIDTH
        for index in indexes:
            self.refused[index] += 1
        return True


def cell_head(offset: int) -> bytes:
    """The changelog value of a cell without marks, up to its counts."""
    return msgspec.msgpack.encode(CellRecord(offset, EMPTY))[: -len(EMPTY)]


def marked_cell(cell: Cell, offset: int) -> bytes:
    """The changelog value of a cell with marks."""
    return msgspec.msgpack.encode(MarkedCellRecord(offset, cell.minutes.tobytes(), cell.refused, cell.refused_to))


def cell_of(key: bytes, value: bytes) -> Cell:
    """The cell of a changelog record."""
    record = msgspec.msgpack.decode(value, type=MarkedCellRecord)
    return Cell(key, record.offset, record.minutes, record.refused, record.refused_to)


def flush_start(value: bytes) -> FlushStart:
    """The start of a flush from its changelog value."""
    return msgspec.msgpack.decode(value, type=FlushStart)


def flush_end(value: bytes) -> FlushEnd:
    """The end of a flush from its changelog value."""
    return msgspec.msgpack.decode(value, type=FlushEnd)
