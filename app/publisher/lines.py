"""Lines of a file to publish: plain events, or recorded records."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class PlainEvent:
    """An event to publish as it is, with eventId and timestamp minted where missing."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedRecord:
    """A record to write byte for byte; `value` is None for a tombstone."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is neither, and why."""

    number: int
    problem: str


Line = PlainEvent | RecordedRecord | BadLine


def read_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, Line]]:
    """Each line's size in bytes and what it holds; empty lines hold nothing and are skipped."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield len(line), parse_line(number, line)


def parse_line(number: int, line: bytes) -> Line:
    """What one line holds.

    An object with `appendTimeMs` and `value` or `valueB64` is a recorded record, any other object a plain event:
    whether it is a valid one is for the monitor to judge.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadLine(number, f"not JSON: {error}")
    if not isinstance(document, dict):
        return BadLine(number, "not a JSON object")
    if "appendTimeMs" not in document or not document.keys() & {"value", "valueB64"}:
        return PlainEvent(document)
    try:
        return _recorded(document)
    except (TypeError, ValueError) as error:
        return BadLine(number, f"not a recorded record: {error}")


def _recorded(document: dict[str, Any]) -> RecordedRecord:
    """Raises TypeError or ValueError (binascii.Error is one) for fields that do not fit."""
    timestamp = document["appendTimeMs"]
    key = document.get("key")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp < 0:
        raise ValueError("appendTimeMs is not a time in epoch ms")
    if key is not None and not isinstance(key, str):
        raise ValueError("key is neither a text nor null")
    return RecordedRecord(None if key is None else key.encode(), _value(document), timestamp)


def _value(document: dict[str, Any]) -> bytes | None:
    if "valueB64" in document:
        try:
            return base64.b64decode(document["valueB64"], validate=True)
        except binascii.Error as error:
            raise ValueError(f"valueB64: {error}") from error
    value = document["value"]
    if value is not None and not isinstance(value, str):
        raise ValueError("value is neither a text nor null")
    return None if value is None else value.encode()
