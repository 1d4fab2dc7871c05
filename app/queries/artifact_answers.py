"""An artifact as answers show it."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.event_types import ACTIVE_STATUSES, ArtifactStatus, Stage
from app.queries.fields import Answer


class ArtifactRow(Answer, frozen=True, kw_only=True):
    """State of one artifact; what is unknown is left out.

    `waitingFor` is the stage whose start or end is due since `waitingSince`. `elapsedMs` and `stageElapsedMs` are there
    while the artifact is under way.
    """

    artifact_id: str
    created_at: int
    updated_at: int
    retry_count: int
    open_disambiguations: int
    status: ArtifactStatus | UnsetType = UNSET
    organization_id: str | UnsetType = UNSET
    coach_user_id: str | UnsetType = UNSET
    voice_note_id: str | UnsetType = UNSET
    source_channel: str | UnsetType = UNSET
    stage: Stage | UnsetType = UNSET
    stage_entered_at: int | UnsetType = UNSET
    completed_at: int | UnsetType = UNSET
    failed_at: int | UnsetType = UNSET
    failed_stage: Stage | UnsetType = UNSET
    last_error_message: str | UnsetType = UNSET
    last_error_code: str | UnsetType = UNSET
    claim_count: int | UnsetType = UNSET
    entity_count: int | UnsetType = UNSET
    draft_count: int | UnsetType = UNSET
    ai_cost: float | UnsetType = UNSET
    end_to_end_ms: int | UnsetType = UNSET
    waiting_for: Stage | UnsetType = UNSET
    waiting_since: int | UnsetType = UNSET
    elapsed_ms: int | UnsetType = UNSET
    stage_elapsed_ms: int | UnsetType = UNSET


class Artifacts(Answer, frozen=True, kw_only=True):
    """One page of artifacts; `continue_cursor` is empty when it is the last."""

    page: list[ArtifactRow]
    is_done: bool
    continue_cursor: str


def artifact_row(row: dict[str, Any], now_ms: int) -> ArtifactRow:
    """The row of the store as an answer."""
    known = {name: value for name, value in row.items() if value is not None and value != ""}
    if known.get("status") in ACTIVE_STATUSES:
        known["elapsedMs"] = max(0, now_ms - known["createdAt"])
        if "stageEnteredAt" in known:
            known["stageElapsedMs"] = max(0, now_ms - known["stageEnteredAt"])
    return msgspec.convert(known, ArtifactRow)
