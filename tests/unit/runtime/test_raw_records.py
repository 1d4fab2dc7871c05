"""Records as the client's decoder makes them."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from app.runtime.raw_records import read_raw
from sinks.dead_letter import letter_of

HEADERS = [("trace", b"1"), ("empty", None)]


def batch() -> bytes:
    """One batch of two records."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=10_000,
    )
    builder.append(0, timestamp=1_000, key=b"k", value=b"v", headers=HEADERS)
    builder.append(1, timestamp=2_000, key=None, value=None, headers=[])
    return bytes(builder.build())


class Fetcher:
    """The client's part that holds what it has fetched until somebody asks for it."""

    def __init__(self) -> None:
        self._records: dict[TopicPartition, Any] = {}

    async def _proc_fetch_request(self, tp: TopicPartition) -> bool:
        records = PartitionRecords(tp, MemoryRecords(batch()), [], 0, None, None, True, READ_COMMITTED)
        assignment = SimpleNamespace(active=True, state_value=lambda _: SimpleNamespace(consumed_to=lambda _: None))
        self._records[tp] = FetchResult(tp, assignment=assignment, partition_records=records, backoff=0)
        return True


async def fetched(topic: str) -> list[Any]:
    """What a consumer with raw `voice-events` gives of a topic."""
    fetcher, tp = Fetcher(), TopicPartition(topic, 3)
    read_raw(SimpleNamespace(_fetcher=fetcher), {"voice-events"})
    assert await fetcher._proc_fetch_request(tp)
    fetcher._records[tp].check_assignment = lambda _: True
    found: list[Any] = fetcher._records[tp].getall()
    return found


async def test_a_raw_record_has_what_the_log_holds_of_it() -> None:
    first, second = await fetched("voice-events")
    assert not isinstance(first, ConsumerRecord)
    assert [(record.offset, record.timestamp, record.key, record.value) for record in (first, second)] == [
        (0, 1_000, b"k", b"v"),
        (1, 2_000, None, None),
    ]
    letter = letter_of("voice-events", 3, first, "invalid_json", "why")
    assert (letter.topic, letter.partition, letter.offset, letter.append_time_ms) == ("voice-events", 3, 0, 1_000)
    assert letter.headers == tuple(HEADERS)


async def test_a_damaged_batch_is_refused_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = batch()
    monkeypatch.setattr(f"{__name__}.batch", lambda: whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Exception, match="Invalid CRC"):
        await fetched("voice-events")


async def test_other_topics_give_records_that_know_where_they_are_from() -> None:
    first, _ = await fetched("changelog")
    assert isinstance(first, ConsumerRecord)
    assert (first.topic, first.partition) == ("changelog", 3)
