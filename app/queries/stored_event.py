"""An event as answers show it."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.event_model import Metadata
from app.domain.event_types import EventType, Stage
from app.queries.fields import Answer


class StoredEvent(Answer, frozen=True, kw_only=True):
    """One event with all that it carries; what it lacks is left out."""

    event_id: str
    event_type: EventType
    timestamp: int
    time_window: str
    artifact_id: str | UnsetType = UNSET
    voice_note_id: str | UnsetType = UNSET
    organization_id: str | UnsetType = UNSET
    org_name: str | UnsetType = UNSET
    coach_user_id: str | UnsetType = UNSET
    pipeline_stage: Stage | UnsetType = UNSET
    stage_started_at: int | UnsetType = UNSET
    stage_completed_at: int | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    previous_status: str | UnsetType = UNSET
    new_status: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET


def stored_event(row: dict[str, Any]) -> StoredEvent:
    """The event in a row of a statement; an empty text or NULL is an absent value."""
    fields = {name: value for name, value in row.items() if value is not None and value != ""}
    known = msgspec.json.decode(fields.pop("metadata_json"), type=Metadata)
    if known != Metadata():
        fields["metadata"] = known
    return msgspec.convert({"eventId": fields.pop("id"), **fields}, StoredEvent)
