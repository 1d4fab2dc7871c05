"""Decoding of records: a fast way for the usual event, the rule book for everything else."""

import re
from typing import Final

import msgspec

from app.domain.event_model import (
    AgeLimits,
    Anomalies,
    Metadata,
    PipelineEvent,
    encode_event,
    event_key,
    settle_derived,
)
from app.domain.lenient_decode import decode_leniently

__all__ = [
    "AgeLimits",
    "Anomalies",
    "Metadata",
    "PipelineEvent",
    "decode_event",
    "decode_leniently",
    "encode_event",
    "event_key",
]

_decode_usual: Final = msgspec.json.Decoder(PipelineEvent).decode
_is_usual_id: Final = re.compile(
    r"(?!00000000-0000-0000-0000-000000000000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
).match


def decode_event(value: bytes | None, append_time_ms: int, limits: AgeLimits, anomalies: Anomalies) -> PipelineEvent:
    """Event in the record's value, with the stage of its type and its own duration.

    `append_time_ms` is the record's time in the log: age is judged by it, never by a clock. Raises RejectedEvent with
    the first reason that applies; then `anomalies` is unchanged. Gives exactly what `decode_leniently` gives, several
    times faster for an event that is as the domain describes it.
    """
    try:
        event = _decode_usual(value)  # type: ignore[arg-type]  # None raises TypeError
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return decode_leniently(value, append_time_ms, limits, anomalies)
    age_ms = append_time_ms - event.timestamp
    if not (-limits.max_ahead_ms <= age_ms <= limits.max_age_ms and _is_usual_id(event.event_id)):
        return decode_leniently(value, append_time_ms, limits, anomalies)
    metadata = event.metadata
    if metadata is not None and (
        metadata.ai_cost == 0 or metadata.confidence_score == 0 or metadata.transcript_duration == 0
    ):
        # -0.0 must become 0.0
        return decode_leniently(value, append_time_ms, limits, anomalies)
    settle_derived(event, anomalies)
    return event
