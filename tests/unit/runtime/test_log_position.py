"""How far the log is stored is never guessed."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from app.runtime.log_position import append_times

TP = TopicPartition("voice-events", 0)


class Consumer:
    """A consumer that gets some records, or none, and then stands at `reached`."""

    def __init__(self, records: list[Any], reached: int) -> None:
        self.records, self.reached = records, reached

    def assign(self, tps: list[TopicPartition]) -> None:
        assert tps == [TP]

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert (tp, offset) == (TP, 7)

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        return {TP: self.records} if self.records else {}

    async def position(self, tp: TopicPartition) -> int:
        return self.reached


async def test_the_first_uncommitted_record_tells_the_time() -> None:
    consumer = Consumer([SimpleNamespace(timestamp=123)], 8)
    assert await append_times(consumer, {TP: 7}, {TP: 9}) == [123]  # type: ignore[arg-type]


async def test_only_markers_up_to_the_end_tell_none() -> None:
    assert await append_times(Consumer([], 9), {TP: 7}, {TP: 9}) == []  # type: ignore[arg-type]


async def test_records_that_do_not_come_in_time_are_not_taken_for_stored() -> None:
    with pytest.raises(KafkaTimeoutError):
        await append_times(Consumer([], 7), {TP: 7}, {TP: 9})  # type: ignore[arg-type]
