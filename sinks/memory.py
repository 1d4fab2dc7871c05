"""A sink in memory, for tests and dry runs."""

from app.runtime.errors import SinkUnavailable
from sinks.base import Batch, RefusedRow, Row, WriteResult


class MemorySink:
    """Keeps rows by topic, partition and offset, so a repeated write changes nothing.

    Set `outage` to an error to make every call fail, and offsets in `refusals` to have those rows refused.
    """

    def __init__(self) -> None:
        self.lines: dict[tuple[str, int, int], bytes] = {}
        self.batches: list[Batch] = []
        self.outage: SinkUnavailable | None = None
        self.refusals: dict[int, str] = {}
        self.is_closed = False

    async def write(self, batch: Batch) -> WriteResult:
        """Every row of the batch kept, or refused where `refusals` names its offset.

        Raises SinkUnavailable while there is an `outage`.
        """
        await self.check()
        self.batches.append(batch)
        stored = [row for row in batch.rows if row.offset not in self.refusals]
        self.lines.update({(batch.topic, batch.partition, row.offset): row.line for row in stored})
        refused = [self._refuse(row) for row in batch.rows if row.offset in self.refusals]
        return WriteResult(len(stored), refused)

    async def check(self) -> None:
        """Nothing; raises SinkUnavailable while there is an `outage`."""
        if self.outage is not None:
            raise self.outage

    async def close(self) -> None:
        """`is_closed` is set."""
        self.is_closed = True

    def _refuse(self, row: Row) -> RefusedRow:
        return RefusedRow(row.offset, row.line, self.refusals[row.offset])
