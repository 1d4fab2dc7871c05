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
    return _at(now_ms, msgspec.convert(known, ArtifactRow))


def shown_artifact(text: str, now_ms: int) -> ArtifactRow:
    """The row of the store, as the text that it keeps for lists, as an answer."""
    return _at(now_ms, msgspec.json.decode(text, type=ArtifactRow, strict=False))


def _at(now_ms: int, row: ArtifactRow) -> ArtifactRow:
    """The row with the time that the artifact has taken so far if it is under way."""
    if row.status not in ACTIVE_STATUSES:
        return row
    entered_at = row.stage_entered_at
    return msgspec.structs.replace(
        row,
        elapsed_ms=max(0, now_ms - row.created_at),
        stage_elapsed_ms=UNSET if entered_at is UNSET else max(0, now_ms - entered_at),
    )
