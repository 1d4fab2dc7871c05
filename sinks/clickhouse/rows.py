"""The line that ClickHouse gets for one event: its canonical JSON and where the log holds it."""

import msgspec

from app.domain.events import PipelineEvent, encode_event


class RowHead(msgspec.Struct, rename="camel"):
    """What a line says about whom and when."""

    event_type: str
    timestamp: int
    organization_id: str | None = None


class _EventTime(msgspec.Struct):
    timestamp: int


_event_time = msgspec.json.Decoder(_EventTime)
_head = msgspec.json.Decoder(RowHead)


def encode_row(event: PipelineEvent, partition: int, offset: int, append_time_ms: int) -> bytes:
    """The event's canonical JSON with its place in the log as the last three keys; no newline.

    The same event at the same place gives the same bytes.
    """
    return b'%b,"source_partition":%d,"source_offset":%d,"append_time_ms":%d}' % (
        encode_event(event)[:-1],
        partition,
        offset,
        append_time_ms,
    )


def head_of(line: bytes) -> RowHead:
    """Type, time and organisation out of a line."""
    return _head.decode(line)


def event_time_ms(line: bytes) -> int:
    """The event's `timestamp` out of a line, in milliseconds."""
    return _event_time.decode(line).timestamp
