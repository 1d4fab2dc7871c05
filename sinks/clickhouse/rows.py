"""The line that ClickHouse gets for one event: its canonical JSON and where the log holds it."""

import msgspec


class _EventTime(msgspec.Struct):
    timestamp: int


_event_time = msgspec.json.Decoder(_EventTime)


def splice_row(encoded: bytes, partition: int, offset: int, append_time_ms: int) -> bytes:
    """The JSON object `encoded` with its place in the log added as its last three keys; no newline.

    `encoded` must be an object with at least one key and must not have these keys already.
    """
    return b'%b,"source_partition":%d,"source_offset":%d,"append_time_ms":%d}' % (
        encoded[:-1],
        partition,
        offset,
        append_time_ms,
    )


def event_time_ms(line: bytes) -> int:
    """The event's `timestamp` out of a line, in milliseconds."""
    return _event_time.decode(line).timestamp
