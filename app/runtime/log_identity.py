"""Whether a partition still holds the log that was counted: topics are deleted and created anew, and truncated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from aiokafka import AIOKafkaConsumer, TopicPartition

READ_MS = 10_000


@dataclass(frozen=True, slots=True)
class LastCounted:
    """The last record that was counted: where it stood, its append time, and a digest of its key and value."""

    offset: int
    append_ms: int
    digest: int


@dataclass(frozen=True, slots=True)
class LogFinding:
    """What became of a log: `is_other` if it must be counted from its `start`, `lost` records gone unread."""

    is_other: bool
    start: int
    lost: int = 0


def record_digest(record: Any) -> int:
    """A checksum of a record's key and value."""
    return crc32(record.value or b"", crc32(record.key or b""))


async def examine(consumer: Callable[[], AIOKafkaConsumer], tp: TopicPartition, last: LastCounted) -> LogFinding:
    """Compare the log with the last record counted.

    A log that ends before it, or has another record in its place, is another log. Where it is gone because the log
    was truncated, the log is taken for the same, and records between it and the log's start are lost. Raises
    KafkaError if Kafka does not answer.
    """
    async with consumer() as reader:
        start = (await reader.beginning_offsets([tp]))[tp]
        end = (await reader.end_offsets([tp]))[tp]
        if last.offset < 0:
            return LogFinding(False, start)
        if end <= last.offset:
            return LogFinding(True, start)
        if start > last.offset:
            return LogFinding(False, start, start - last.offset - 1)
        record = await _record_at(reader, tp, last.offset)
    is_same = record is None or (record.timestamp, record_digest(record)) == (last.append_ms, last.digest)
    return LogFinding(not is_same, start)


async def _record_at(reader: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> Any | None:
    """The record at an offset, None if there is none (any more)."""
    reader.assign([tp])
    reader.seek(tp, offset)
    fetched = await reader.getmany(tp, timeout_ms=READ_MS, max_records=1)
    found = fetched.get(tp, [])
    return found[0] if found and found[0].offset == offset else None
