"""What an artifact waits for: the event that has to follow its last step, whatever its status says."""

from collections.abc import Iterable
from typing import Final, Protocol, TypedDict

ENDS_STAGE: Final = {
    "transcription_started": "transcription",
    "claims_extraction_started": "claims_extraction",
    "entity_resolution_started": "entity_resolution",
    "draft_generation_started": "draft_generation",
}
STARTS_STAGE: Final = {
    "artifact_received": "transcription",
    "transcription_completed": "claims_extraction",
    "claims_extracted": "entity_resolution",
    "entity_resolution_completed": "draft_generation",
    "entity_needs_disambiguation": "draft_generation",
}
DUE_STAGE: Final = ENDS_STAGE | STARTS_STAGE
# They tell of the artifact as a whole, not that its stages go on.
NO_STEPS: Final = frozenset({"artifact_status_changed", "artifact_completed", "retry_succeeded", "retry_failed"})


class Step(Protocol):
    """An event as far as waits depend on it."""

    event_type: str
    timestamp: int
    claim_count: int | None

    @property
    def is_manual_closure(self) -> bool:
        """True for the human end of a stage that had ended already."""
        ...


class Wait(TypedDict, total=False):
    """The stage that is due, and since when; empty if none is."""

    waiting_for: str
    waiting_since: int


def waiting(events: Iterable[Step]) -> Wait:
    """What is due after the events, which are in order.

    A start is followed by the end of its stage, a receipt by anything, a transcript by the extraction of claims,
    claims (if there are any) by the resolution of their entities, that by drafting.
    """
    wait: Wait = {}
    after = ""
    for event in events:
        kind = event.event_type
        if event.is_manual_closure or (kind in NO_STEPS and after != "artifact_received"):
            continue
        after, wait = kind, {}
        stage = DUE_STAGE.get(kind)
        if stage and not (kind == "claims_extracted" and not event.claim_count):
            wait = {"waiting_for": stage, "waiting_since": event.timestamp}
    return wait
