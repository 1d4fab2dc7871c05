"""The eight live counters and the event types that feed them."""

from typing import Final

from app.domain.event_types import EVENT_TYPES, FAIL

COUNTER_TYPES: Final[tuple[str, ...]] = (
    "artifacts_received_1h",
    "artifacts_completed_1h",
    "artifacts_failed_1h",
    "transcriptions_completed_1h",
    "claims_extracted_1h",
    "entities_resolved_1h",
    "drafts_generated_1h",
    "failures_1h",
)

RESULT_FIELDS: Final[tuple[str, ...]] = (
    "artifactsReceived1h",
    "artifactsCompleted1h",
    "artifactsFailed1h",
    "transcriptionsCompleted1h",
    "claimsExtracted1h",
    "entitiesResolved1h",
    "draftsGenerated1h",
    "failures1h",
)

_OWN_COUNTER: Final[dict[str, str]] = {
    "artifact_received": "artifacts_received_1h",
    "artifact_completed": "artifacts_completed_1h",
    "artifact_failed": "artifacts_failed_1h",
    "transcription_completed": "transcriptions_completed_1h",
    "claims_extracted": "claims_extracted_1h",
    "entity_resolution_completed": "entities_resolved_1h",
    "drafts_generated": "drafts_generated_1h",
}


def _counters_of(event_type: str) -> tuple[int, ...]:
    names = [_OWN_COUNTER[event_type]] if event_type in _OWN_COUNTER else []
    if event_type in FAIL:
        names.append("failures_1h")
    return tuple(COUNTER_TYPES.index(name) for name in names)


COUNTERS_OF_TYPE: Final[dict[str, tuple[int, ...]]] = {name: _counters_of(name) for name in EVENT_TYPES}
"""Event type to positions in `COUNTER_TYPES`; every type has an entry, empty where it touches no counter."""
