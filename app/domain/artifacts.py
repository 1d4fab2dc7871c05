"""State of one artifact: a pure fold of its events, the same for every order of arrival and however often they come."""

from collections.abc import Callable, Iterable, Sequence
from math import fsum
from typing import Any, Final

import msgspec

from app.domain.artifact_waits import waiting
from app.domain.event_model import PipelineEvent
from app.domain.event_types import ARTIFACT_STATUSES, FAIL, STAGE_OF_TYPE

NEEDS: Final = "entity_needs_disambiguation"
RESOLVED: Final = "entity_resolution_completed"
# Retries fail too, but they are told from the failure of the retried stage.
FAILURES: Final = FAIL - {"retry_failed"}
OUTCOMES: Final = frozenset({RESOLVED, NEEDS, "entity_resolution_failed"})
STATUS_OF_TYPE: Final[dict[str, str]] = {
    "artifact_received": "received",
    "transcription_started": "transcribing",
    "transcription_completed": "transcribed",
    "claims_extraction_started": "processing",
    "entity_resolution_started": "processing",
    "draft_generation_started": "processing",
    "artifact_completed": "completed",
    **dict.fromkeys(FAILURES, "failed"),
}
STATUS_OF_RETRY: Final = {
    "ingestion": "received",
    "transcription": "transcribing",
    "claims_extraction": "transcribed",
}
BOTH_LEAVE: Final = ("retry_initiated", "artifact_status_changed")


class ArtifactEvent(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """What an artifact's state depends on in one event; empty texts and None are absent, times are epoch ms."""

    event_type: str
    timestamp: int
    event_id: str = ""
    pipeline_stage: str = ""
    organization_id: str = ""
    coach_user_id: str = ""
    voice_note_id: str = ""
    previous_status: str = ""
    new_status: str = ""
    error_message: str = ""
    error_code: str = ""
    source_channel: str | None = None
    claim_count: int | None = None
    entity_count: int | None = None
    disambiguation_count: int | None = None
    draft_count: int | None = None
    ai_cost: float | None = None

    @property
    def is_manual_closure(self) -> bool:
        """True where a human settled the last open name: no run of the stage ends with it."""
        return self.event_type == RESOLVED and self.previous_status == "needs_disambiguation"


class ArtifactState(msgspec.Struct, rename="camel", kw_only=True, frozen=True, omit_defaults=True):
    """One artifact; None is unknown. Times are epoch milliseconds, `ai_cost` is USD, `end_to_end_ms` milliseconds.

    `waiting_for` is the stage whose end, or whose start, is due since `waiting_since`; both are None if nothing is.
    """

    artifact_id: str
    created_at: int
    updated_at: int
    retry_count: int
    open_disambiguations: int
    status: str | None = None
    organization_id: str | None = None
    coach_user_id: str | None = None
    voice_note_id: str | None = None
    source_channel: str | None = None
    stage: str | None = None
    stage_entered_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    failed_stage: str | None = None
    last_error_message: str | None = None
    last_error_code: str | None = None
    claim_count: int | None = None
    entity_count: int | None = None
    draft_count: int | None = None
    ai_cost: float | None = None
    end_to_end_ms: int | None = None
    waiting_for: str | None = None
    waiting_since: int | None = None


def artifact_event(event: PipelineEvent) -> ArtifactEvent:
    """The part of the event that its artifact's state depends on."""
    metadata = event.metadata
    return ArtifactEvent(
        event_id=event.event_id,
        event_type=event.event_type,
        timestamp=event.timestamp,
        pipeline_stage=event.pipeline_stage or "",
        organization_id=event.organization_id or "",
        coach_user_id=event.coach_user_id or "",
        voice_note_id=event.voice_note_id or "",
        previous_status=event.previous_status or "",
        new_status=event.new_status or "",
        error_message=event.error_message or "",
        error_code=event.error_code or "",
        source_channel=metadata.source_channel if metadata else None,
        claim_count=metadata.claim_count if metadata else None,
        entity_count=metadata.entity_count if metadata else None,
        disambiguation_count=metadata.disambiguation_count if metadata else None,
        draft_count=metadata.draft_count if metadata else None,
        ai_cost=metadata.ai_cost if metadata else None,
    )


def fold_artifact(artifact_id: str, events: Iterable[ArtifactEvent]) -> ArtifactState:
    """State after the events, of which there is at least one; of copies with one event id any one counts.

    Formulas: domain specification 1.5. Raises ValueError without an event.
    """
    known = sorted({event.event_id: event for event in events}.values(), key=_order)
    if not known:
        raise ValueError("an artifact without events has no state")
    received = [event.timestamp for event in known if event.event_type == "artifact_received"]
    costs = [event.ai_cost for event in known if event.ai_cost is not None]
    status = _status(known)
    return ArtifactState(
        artifact_id=artifact_id,
        created_at=received[0] if received else known[0].timestamp,
        updated_at=known[-1].timestamp,
        retry_count=sum(event.event_type == "retry_initiated" for event in known),
        open_disambiguations=_open_disambiguations(known),
        status=status,
        organization_id=_latest(known, lambda event: event.organization_id),
        coach_user_id=_latest(known, lambda event: event.coach_user_id),
        voice_note_id=_latest(known, lambda event: event.voice_note_id),
        source_channel=_latest(known, lambda event: event.source_channel),
        claim_count=_latest_count(known, "claims_extracted", "claim_count"),
        entity_count=_latest_count(known, (RESOLVED, NEEDS), "entity_count"),
        draft_count=_latest_count(known, "drafts_generated", "draft_count"),
        ai_cost=fsum(costs) if costs else None,
        **_stages(known),
        **_ends(known, received),
        **(waiting(known) if status != "failed" else {}),
    )


def _order(event: ArtifactEvent) -> tuple[int, int, str]:
    kind = event.event_type
    if kind == "artifact_received":
        rank = 0
    elif kind in BOTH_LEAVE:
        rank = 1
    else:
        rank = 2 if kind.endswith("_started") else 3
    return event.timestamp, rank, event.event_id


def _latest(events: Sequence[ArtifactEvent], value: Callable[[ArtifactEvent], str | None]) -> str | None:
    return next((found for event in reversed(events) if (found := value(event))), None)


def _latest_count(events: Sequence[ArtifactEvent], types: str | tuple[str, ...], name: str) -> int | None:
    wanted = (types,) if isinstance(types, str) else types
    for event in reversed(events):
        count: int | None = getattr(event, name)
        if event.event_type in wanted and not event.is_manual_closure and count is not None:
            return count
    return None


def _open_disambiguations(events: Sequence[ArtifactEvent]) -> int:
    outcome = next((event for event in reversed(events) if event.event_type in OUTCOMES), None)
    if outcome is None or outcome.event_type != NEEDS:
        return 0
    return 1 if outcome.disambiguation_count is None else outcome.disambiguation_count


def _status(events: Sequence[ArtifactEvent]) -> str | None:
    status: str | None = None
    for event in events:
        wanted = _wanted_status(event)
        if wanted and (event.event_type in BOTH_LEAVE or _may_leave(status, event.event_type)):
            status = wanted
    return status


def _wanted_status(event: ArtifactEvent) -> str | None:
    if event.event_type == "artifact_status_changed":
        return event.new_status if event.new_status in ARTIFACT_STATUSES else None
    if event.event_type == "retry_initiated":
        return STATUS_OF_RETRY.get(event.pipeline_stage or "ingestion", "processing")
    return STATUS_OF_TYPE.get(event.event_type)


def _may_leave(status: str | None, event_type: str) -> bool:
    if status == "failed":
        return event_type == "artifact_completed" or event_type.endswith("_started")
    return status != "completed"


def _stages(events: Sequence[ArtifactEvent]) -> dict[str, Any]:
    """The stage of the artifact, since when, and where it failed last."""
    found: dict[str, Any] = {}
    for event in events:
        is_retry = event.event_type == "retry_initiated"
        stage = event.pipeline_stage or "ingestion" if is_retry else STAGE_OF_TYPE.get(event.event_type)
        if stage and not event.is_manual_closure and (is_retry or stage != found.get("stage")):
            found |= {"stage": stage, "stage_entered_at": event.timestamp}
        if event.event_type in FAILURES:
            found["failed_at"] = event.timestamp
            found["failed_stage"] = stage or event.pipeline_stage or found.get("stage")
    return found


def _ends(events: Sequence[ArtifactEvent], received: Sequence[int]) -> dict[str, Any]:
    """When the artifact was completed, how long that took, and its last error."""
    found: dict[str, Any] = {}
    completed = [event.timestamp for event in events if event.event_type == "artifact_completed"]
    if completed:
        found["completed_at"] = completed[-1]
        if received and completed[0] >= received[0]:
            found["end_to_end_ms"] = completed[0] - received[0]
    for event in reversed(events):
        if event.event_type in FAIL and (event.error_message or event.error_code):
            found["last_error_message"] = event.error_message or None
            found["last_error_code"] = event.error_code or None
            break
    return found
