"""Delivers what was refused to the dead-letter topic, byte for byte, with its reason and its place in the log."""

import hashlib
import re
from asyncio import Future, gather
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.errors import KafkaError

from app.runtime.errors import DeadLetterUndelivered

Headers = list[tuple[str, bytes | None]]

DETAIL_CHARACTERS = 2_000
RECORD_OVERHEAD_BYTES = 256
"""Kafka's own bytes around a record and its batch, rounded up."""
DEFAULT_LIMIT_BYTES = 16 * 1024 * 1024 + 64 * 1024

_OURS = re.compile(
    r"(?:original-)*(?:reason|detail|source-(?:topic|partition|offset|append-time-ms)|truncated|size|sha256)"
)
_PREFIX = "original-"


class Producer(Protocol):
    """What is needed of an aiokafka producer."""

    async def send(self, topic: str, value: bytes | None, key: bytes | None, *, headers: Headers) -> Future[Any]:
        """A future that is done when the broker has confirmed the record."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record as the log holds it, why it was refused, and where it stood."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    append_time_ms: int


def letter_of(topic: str, partition: int, record: Any, reason: str, detail: str) -> DeadLetter:
    """The dead letter of a record that was consumed from a partition."""
    return DeadLetter(
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        reason=reason,
        detail=detail,
        topic=topic,
        partition=partition,
        offset=record.offset,
        append_time_ms=record.timestamp,
    )


class DeadLetterWriter:
    """Writes dead letters; `limit_bytes` is the largest record that the dead-letter topic takes."""

    def __init__(self, producer: Producer, topic: str, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._producer = producer
        self._topic = topic
        self._limit_bytes = limit_bytes

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Every letter confirmed by the broker, in their order; after a crash a letter may come twice.

        Raises DeadLetterUndelivered if one cannot be delivered: nothing beyond its record may be acknowledged.
        """
        try:
            deliveries = [await self._send(letter) for letter in letters]
            await gather(*deliveries)
        except KafkaError as error:
            raise DeadLetterUndelivered(
                f"dead letters cannot be delivered to {self._topic} ({type(error).__name__}: {error}): "
                "check the broker and the topic's max.message.bytes"
            ) from error

    async def _send(self, letter: DeadLetter) -> Future[Any]:
        key, value, headers = _fitted(letter, self._limit_bytes)
        return await self._producer.send(self._topic, value, key, headers=headers)


def original_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """The headers of the refused record, out of those of its dead letter."""
    kept: Headers = []
    for name, value in headers:
        if not _OURS.fullmatch(name):
            kept.append((name, value))
        elif name.startswith(_PREFIX):
            kept.append((name.removeprefix(_PREFIX), value))
    return kept


def _fitted(letter: DeadLetter, limit_bytes: int) -> tuple[bytes | None, bytes | None, Headers]:
    """Key, value and headers of the record, cut where it would exceed the limit.

    The value goes first, then the original headers, then the key: the reason and the source always arrive.
    """
    ours = _our_headers(letter)
    theirs: Headers = [(_renamed(name), value) for name, value in letter.headers]
    key, value = letter.key, letter.value
    room = limit_bytes - RECORD_OVERHEAD_BYTES - _size(ours)
    if len(key or b"") + len(value or b"") + _size(theirs) <= room:
        return key, value, theirs + ours
    cut = ["value"]
    marks = _marks(value or b"")
    room -= _size(marks)
    if len(key or b"") + _size(theirs) > room:
        cut, theirs = [*cut, "headers"], []
    if len(key or b"") > room:
        cut, key = [*cut, "key"], (key or b"")[: max(room, 0)]
    value = (value or b"")[: max(room - len(key or b"") - _size(theirs), 0)]
    return key, value, [*theirs, *ours, ("truncated", ",".join(cut).encode()), *marks]


def _our_headers(letter: DeadLetter) -> Headers:
    texts = {
        "reason": letter.reason,
        "detail": letter.detail[:DETAIL_CHARACTERS],
        "source-topic": letter.topic,
        "source-partition": str(letter.partition),
        "source-offset": str(letter.offset),
        "source-append-time-ms": str(letter.append_time_ms),
    }
    return [(name, text.encode(errors="replace")) for name, text in texts.items()]


def _marks(value: bytes) -> Headers:
    return [("size", str(len(value)).encode()), ("sha256", hashlib.sha256(value).hexdigest().encode())]


def _renamed(name: str) -> str:
    """`name`, prefixed if it could be taken for one of ours; also if it already has the prefix, to be reversible."""
    return _PREFIX + name if _OURS.fullmatch(name) else name


def _size(headers: Headers) -> int:
    """Bytes of the headers in a record, each with at most 10 bytes for its two lengths."""
    return sum(len(name.encode()) + len(value or b"") + 10 for name, value in headers)
