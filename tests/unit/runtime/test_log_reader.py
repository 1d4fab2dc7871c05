"""Reading a span of the log."""

from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from app.runtime.log_reader import LogReader, Span

TP = TopicPartition("voice-events", 0)


class Consumer:
    """A consumer whose span ends with a marker: the record behind it comes first."""

    def __init__(self) -> None:
        self.reached = 0

    def assign(self, tps: list[TopicPartition]) -> None:
        assert tps == [TP]

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.reached = offset

    async def position(self, tp: TopicPartition) -> int:
        return self.reached

    async def getmany(self, *tps: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        self.reached = 9
        return {TP: [SimpleNamespace(offset=8)]}


async def test_a_span_that_ends_with_a_marker_gives_no_empty_batch() -> None:
    reader = LogReader(Consumer())  # type: ignore[arg-type]
    assert [batch async for batch in reader.batches(Span(TP, 0, 7, 8))] == []
