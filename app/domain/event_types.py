"""The closed sets of the domain: event types, stages, artifact statuses, and which type belongs to which stage."""

from typing import Final, Literal, get_args

Stage = Literal[
    "ingestion", "transcription", "claims_extraction", "entity_resolution", "draft_generation", "confirmation"
]
EventType = Literal[
    "artifact_received",
    "artifact_status_changed",
    "artifact_completed",
    "artifact_failed",
    "transcription_started",
    "transcription_completed",
    "transcription_failed",
    "claims_extraction_started",
    "claims_extracted",
    "claims_extraction_failed",
    "entity_resolution_started",
    "entity_resolution_completed",
    "entity_needs_disambiguation",
    "entity_resolution_failed",
    "draft_generation_started",
    "drafts_generated",
    "draft_generation_failed",
    "draft_confirmed",
    "draft_rejected",
    "circuit_breaker_opened",
    "circuit_breaker_closed",
    "retry_initiated",
    "retry_succeeded",
    "retry_failed",
    "budget_threshold_reached",
    "budget_exceeded",
    "rate_limit_hit",
]
ArtifactStatus = Literal["received", "transcribing", "transcribed", "processing", "completed", "failed"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)
ARTIFACT_STATUSES: Final[tuple[ArtifactStatus, ...]] = get_args(ArtifactStatus)
ACTIVE_STATUSES: Final[frozenset[str]] = frozenset({"received", "transcribing", "transcribed", "processing"})

STAGE_OF_TYPE: Final[dict[str, Stage | None]] = {
    "artifact_received": "ingestion",
    "artifact_status_changed": None,
    "artifact_completed": None,
    "artifact_failed": None,
    "transcription_started": "transcription",
    "transcription_completed": "transcription",
    "transcription_failed": "transcription",
    "claims_extraction_started": "claims_extraction",
    "claims_extracted": "claims_extraction",
    "claims_extraction_failed": "claims_extraction",
    "entity_resolution_started": "entity_resolution",
    "entity_resolution_completed": "entity_resolution",
    "entity_needs_disambiguation": "entity_resolution",
    "entity_resolution_failed": "entity_resolution",
    "draft_generation_started": "draft_generation",
    "drafts_generated": "draft_generation",
    "draft_generation_failed": "draft_generation",
    "draft_confirmed": "confirmation",
    "draft_rejected": "confirmation",
    "circuit_breaker_opened": None,
    "circuit_breaker_closed": None,
    # The stage of a retry is the retried one: the event names it, the type does not.
    "retry_initiated": None,
    "retry_succeeded": None,
    "retry_failed": None,
    "budget_threshold_reached": None,
    "budget_exceeded": None,
    "rate_limit_hit": None,
}

FAIL: Final[frozenset[str]] = frozenset(
    {
        "artifact_failed",
        "transcription_failed",
        "claims_extraction_failed",
        "entity_resolution_failed",
        "draft_generation_failed",
        "retry_failed",
    }
)
ERR: Final[frozenset[str]] = FAIL | {"circuit_breaker_opened"}
