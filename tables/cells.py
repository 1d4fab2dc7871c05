"""Cells of the counters table, and the changelog records of a flush."""

from array import array

import msgspec

from app.domain.counters import COUNTER_TYPES

WIDTH = len(COUNTER_TYPES)
MINUTES = 60
EMPTY = bytes(4 * WIDTH * MINUTES)


class CellRecord(msgspec.Struct, array_like=True):
    """Changelog value of one cell: last source offset applied; `WIDTH` counts a minute as uint32, minute by minute."""

    offset: int
    minutes: bytes


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
    `is_dirty` says that it is listed for the next flush.
    """

    __slots__ = ("is_dirty", "key", "minutes", "offset")

    def __init__(self, key: bytes, offset: int = -1, minutes: bytes = EMPTY) -> None:
        self.key = key  # kept, since making it costs as much as copying the counts
        self.offset = offset
        self.is_dirty = False
        self.minutes = array("I", minutes)


def cell_head(offset: int) -> bytes:
    """A cell's changelog value up to its counts."""
    return msgspec.msgpack.encode(CellRecord(offset, EMPTY))[: -len(EMPTY)]


def flush_start(value: bytes) -> FlushStart:
    """The start of a flush from its changelog value."""
    return msgspec.msgpack.decode(value, type=FlushStart)


def flush_end(value: bytes) -> FlushEnd:
    """The end of a flush from its changelog value."""
    return msgspec.msgpack.decode(value, type=FlushEnd)
