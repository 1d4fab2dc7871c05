"""Rows that wait for the store, per source partition and in log order."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.runtime.settings import ClickHouseSettings
from sinks.base import Batch, RefusedRow, Row


@dataclass(slots=True)
class Piece:
    """A fetched range, or a part of one that is too large for one insert."""

    first_offset: int
    last_offset: int
    rows: Sequence[Row]
    size_bytes: int
    since_ms: int
    ends_range: bool = True


@dataclass(slots=True)
class PartitionQueue:
    """What one partition still has to store.

    A revoked partition's queue is marked forgotten and replaced, so a write in flight can see that its rows are no
    longer wanted, whatever has been added for the partition since.
    """

    partition: int
    pieces: deque[Piece] = field(default_factory=deque)
    rows: int = 0
    size_bytes: int = 0
    taken_ms: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    writing: list[Piece] = field(default_factory=list)
    writing_bytes: int = 0
    is_forgotten: bool = False

    @property
    def unstored_bytes(self) -> int:
        """Bytes that wait or are being written."""
        return self.size_bytes + self.writing_bytes

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest unconfirmed range was added, or None."""
        for pieces in (self.writing, self.pieces):
            if pieces:
                return pieces[0].since_ms
        return None

    def add(self, piece: Piece, settings: ClickHouseSettings) -> None:
        """The piece waits; one that is too large for an insert waits in several."""
        is_large = len(piece.rows) > settings.batch_rows or piece.size_bytes > settings.batch_bytes
        self.pieces.extend(_split(piece, settings) if is_large else [piece])
        self.rows += len(piece.rows)
        self.size_bytes += piece.size_bytes

    def take(self, settings: ClickHouseSettings, now_ms: int) -> list[Piece]:
        """The longest run of pieces that fits one insert, at least one; they count as being written until `done`.

        A run without rows is taken alone: it needs no insert, so nothing that waits for one goes along.
        """
        if not self.pieces[0].rows:
            while self.pieces and not self.pieces[0].rows:
                self.writing.append(self.pieces.popleft())
            return self.writing
        rows = size = 0
        while self.pieces:
            piece = self.pieces[0]
            rows, size = rows + len(piece.rows), size + piece.size_bytes
            if self.writing and (rows > settings.batch_rows or size > settings.batch_bytes):
                break
            self.writing.append(self.pieces.popleft())
        self.writing_bytes = sum(piece.size_bytes for piece in self.writing)
        self.rows -= sum(len(piece.rows) for piece in self.writing)
        self.size_bytes -= self.writing_bytes
        self.taken_ms = now_ms
        return self.writing

    def done(self) -> None:
        """What was taken is no longer being written."""
        self.writing, self.writing_bytes = [], 0

    def due_ms(self, settings: ClickHouseSettings, idle_ms: int) -> int | None:
        """When the next batch is due; None while there is nothing to take or a write is in flight.

        A full batch and a range without rows are due at once. A lone range after a pause waits `idle_ms`; under a
        steady flow inserts are `batch_seconds` apart.
        """
        if self.writing or not self.pieces:
            return None
        since = self.pieces[0].since_ms
        if not self.pieces[0].rows or self.rows >= settings.batch_rows or self.size_bytes >= settings.batch_bytes:
            return since
        wait_ms = int(settings.batch_seconds * 1000)
        return min(since + wait_ms, max(since + idle_ms, self.taken_ms + wait_ms))


def batch_of(topic: str, partition: int, pieces: Sequence[Piece]) -> Batch:
    """One batch with the rows of all pieces."""
    rows = [row for piece in pieces for row in piece.rows] if len(pieces) > 1 else pieces[0].rows
    return Batch(topic, partition, pieces[0].first_offset, pieces[-1].last_offset, rows)


def _split(piece: Piece, settings: ClickHouseSettings) -> list[Piece]:
    """`piece` in parts within both limits, though never less than a row; only the last one ends the range."""
    parts: list[Piece] = []
    rows: list[Row] = []
    size = 0
    for row in piece.rows:
        if rows and (len(rows) >= settings.batch_rows or size + len(row.line) > settings.batch_bytes):
            parts.append(Piece(rows[0].offset, rows[-1].offset, rows, size, piece.since_ms, ends_range=False))
            rows, size = [], 0
        rows.append(row)
        size += len(row.line)
    rest = piece.size_bytes - sum(part.size_bytes for part in parts)
    return [*parts, Piece(rows[0].offset, piece.last_offset, rows, rest, piece.since_ms)]
