"""The rule book of decoding: decides every record exactly, and without hurry."""

import re
from collections.abc import Callable
from typing import Any, Final

from app.domain.event_model import (
    MAX_COUNT,
    MAX_STAGE_TIME_MS,
    AgeLimits,
    Anomalies,
    Metadata,
    PipelineEvent,
    settle_derived,
)
from app.domain.event_types import EVENT_TYPES, STAGES, EventType, Stage
from app.domain.rejects import RejectedEvent, RejectReason
from app.domain.strict_json import parse_object

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_NIL_UUID: Final = "00000000-0000-0000-0000-000000000000"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _text(raw: Any) -> str | None:
    if not isinstance(raw, str) or not raw:
        return None
    return raw if raw.isascii() else _SURROGATE.sub("\ufffd", raw)


def _whole_number(raw: Any) -> int | None:
    if type(raw) is int:
        return raw if _is_within_double_range(raw) else None
    return int(raw) if isinstance(raw, float) and raw.is_integer() else None


def _is_within_double_range(number: int) -> bool:
    try:
        float(number)
    except OverflowError:
        return False
    return True


def _whole_between(low: int, high: int) -> Callable[[Any], int | None]:
    def read(raw: Any) -> int | None:
        number = _whole_number(raw)
        return number if number is not None and low <= number <= high else None

    return read


def _number_up_to(high: float) -> Callable[[Any], float | None]:
    def read(raw: Any) -> float | None:
        if type(raw) not in (int, float) or not 0 <= raw <= high:
            return None
        return float(raw) + 0.0  # turns -0.0 into 0.0, so that equal events have equal bytes

    return read


_LARGEST_DOUBLE: Final = 1.7976931348623157e308
_count: Final = _whole_between(0, MAX_COUNT)
_stage_time: Final = _whole_between(0, MAX_STAGE_TIME_MS)
_amount: Final = _number_up_to(_LARGEST_DOUBLE)
_Reader = Callable[[Any], Any]

_EVENT_READERS: Final[dict[str, tuple[str, _Reader]]] = {
    "artifactId": ("artifact_id", _text),
    "voiceNoteId": ("voice_note_id", _text),
    "organizationId": ("organization_id", _text),
    "coachUserId": ("coach_user_id", _text),
    "stageStartedAt": ("stage_started_at", _stage_time),
    "stageCompletedAt": ("stage_completed_at", _stage_time),
    "durationMs": ("duration_ms", _whole_number),
    "previousStatus": ("previous_status", _text),
    "newStatus": ("new_status", _text),
    "errorMessage": ("error_message", _text),
    "errorCode": ("error_code", _text),
}
_METADATA_READERS: Final[dict[str, tuple[str, _Reader]]] = {
    "sourceChannel": ("source_channel", _text),
    "transcriptDuration": ("transcript_duration", _amount),
    "transcriptWordCount": ("transcript_word_count", _count),
    "confidenceScore": ("confidence_score", _number_up_to(1)),
    "claimCount": ("claim_count", _count),
    "entityCount": ("entity_count", _count),
    "draftCount": ("draft_count", _count),
    "autoResolvedCount": ("auto_resolved_count", _count),
    "disambiguationCount": ("disambiguation_count", _count),
    "aiModel": ("ai_model", _text),
    "aiCost": ("ai_cost", _amount),
    "retryAttempt": ("retry_attempt", _whole_between(1, MAX_COUNT)),
}


def _event_id(raw: Any) -> str:
    if raw is None:
        raise RejectedEvent(RejectReason.MISSING_EVENT_ID, "eventId is missing.")
    if not isinstance(raw, str) or _UUID.fullmatch(raw) is None or raw == _NIL_UUID:
        raise RejectedEvent(RejectReason.INVALID_EVENT_ID, "eventId is not a UUID in the form 8-4-4-4-12.")
    return raw.lower()


def _event_type(raw: Any) -> EventType:
    if raw is None:
        raise RejectedEvent(RejectReason.MISSING_EVENT_TYPE, "eventType is missing.")
    if not isinstance(raw, str) or raw not in EVENT_TYPES:
        raise RejectedEvent(RejectReason.UNKNOWN_EVENT_TYPE, f"eventType is not one of the {len(EVENT_TYPES)} types.")
    return raw


def _timestamp(raw: Any) -> int:
    if raw is None:
        raise RejectedEvent(RejectReason.MISSING_TIMESTAMP, "timestamp is missing.")
    timestamp = _whole_number(raw)
    if timestamp is None:
        raise RejectedEvent(RejectReason.INVALID_TIMESTAMP, "timestamp is not a whole number of milliseconds.")
    return timestamp


def _stage(raw: Any) -> Stage | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or raw not in STAGES:
        raise RejectedEvent(RejectReason.UNKNOWN_STAGE, f"pipelineStage is not one of the {len(STAGES)} stages.")
    return raw


def _check_age(timestamp: int, append_time_ms: int, limits: AgeLimits) -> None:
    if append_time_ms - timestamp > limits.max_age_ms:
        detail = f"timestamp is more than {limits.max_age_ms} ms before the append time."
        raise RejectedEvent(RejectReason.TIMESTAMP_TOO_OLD, detail)
    if timestamp - append_time_ms > limits.max_ahead_ms:
        detail = f"timestamp is more than {limits.max_ahead_ms} ms after the append time."
        raise RejectedEvent(RejectReason.TIMESTAMP_TOO_NEW, detail)


def _read_members(
    members: dict[str, Any],
    readers: dict[str, tuple[str, _Reader]],
    target: PipelineEvent | Metadata,
    anomalies: Anomalies,
) -> None:
    for name, raw in members.items():
        if raw is None or name not in readers:
            continue
        attribute, read = readers[name]
        usable = read(raw)
        if usable is None:
            anomalies.unusable_values += 1
        else:
            setattr(target, attribute, usable)


def _metadata(raw: Any, anomalies: Anomalies) -> Metadata | None:
    if raw is None:
        return None
    if not isinstance(raw, dict):
        anomalies.unusable_values += 1
        return None
    metadata = Metadata()
    _read_members(raw, _METADATA_READERS, metadata, anomalies)
    anomalies.unknown_metadata_keys += len(raw.keys() - _METADATA_READERS.keys())
    return metadata


def decode_leniently(
    value: bytes | None, append_time_ms: int, limits: AgeLimits, anomalies: Anomalies
) -> PipelineEvent:
    """Event in the record's value; unusable optional values are dropped and counted.

    Raises RejectedEvent with the first reason that applies; then `anomalies` is unchanged.
    """
    members = parse_object(value)
    event = PipelineEvent(
        event_id=_event_id(members.get("eventId")),
        event_type=_event_type(members.get("eventType")),
        timestamp=_timestamp(members.get("timestamp")),
        pipeline_stage=_stage(members.get("pipelineStage")),
    )
    _check_age(event.timestamp, append_time_ms, limits)
    found = Anomalies()
    _read_members(members, _EVENT_READERS, event, found)
    event.metadata = _metadata(members.get("metadata"), found)
    found.any_found = bool(found.unusable_values or found.unknown_metadata_keys)
    settle_derived(event, found)
    anomalies.add(found)
    return event
