"""getEventTimeline and getRetryHistory: what happened to one artifact."""

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import EventType, Stage
from app.queries.fields import Answer, ArtifactField, Parameters
from app.queries.query import Query
from app.queries.statements import statement
from app.queries.stored_event import StoredEvent, stored_event

MOST_EVENTS: Final = 1000
RETRY_TYPES: Final = ("retry_initiated", "retry_succeeded", "retry_failed")


class ArtifactParameters(Parameters, frozen=True, kw_only=True):
    """Which artifact; with an organisation only what carries it is shown."""

    artifact_id: ArtifactField


class Timeline(Answer, frozen=True, kw_only=True):
    """Events of one artifact, oldest first, none for an unknown one; `truncated` is true if later ones are left out."""

    artifact_id: str
    events: list[StoredEvent]
    truncated: bool


class Retry(Answer, frozen=True, kw_only=True):
    """One step of a retry; `succeeded` is there once the retry has ended."""

    timestamp: int
    event_type: EventType
    pipeline_stage: Stage | UnsetType = UNSET
    retry_attempt: int | UnsetType = UNSET
    succeeded: bool | UnsetType = UNSET
    error_message: str | UnsetType = UNSET


class Retries(Answer, frozen=True, kw_only=True):
    """Retries of one artifact, oldest first. `truncated` is true if later ones are left out."""

    artifact_id: str
    retries: list[Retry]
    truncated: bool


def timeline(client: Client, parameters: ArtifactParameters, now_ms: int) -> Timeline:
    """Visible events of the artifact, ascending by time, then by event id."""
    events = _events(client, parameters, (), now_ms)
    return Timeline(
        artifact_id=parameters.artifact_id, events=events[:MOST_EVENTS], truncated=len(events) > MOST_EVENTS
    )


def retries(client: Client, parameters: ArtifactParameters, now_ms: int) -> Retries:
    """The artifact's retry events as steps."""
    events = _events(client, parameters, RETRY_TYPES, now_ms)
    steps = [_retry(event) for event in events[:MOST_EVENTS]]
    return Retries(artifact_id=parameters.artifact_id, retries=steps, truncated=len(events) > MOST_EVENTS)


def _events(client: Client, parameters: ArtifactParameters, types: Sequence[str], now_ms: int) -> list[StoredEvent]:
    rows = client.query(
        statement("timeline"),
        parameters={
            "now_ms": now_ms,
            "artifact_id": parameters.artifact_id,
            "organization_id": parameters.organization_id or "",
            "types": list(types),
            "most": MOST_EVENTS,
        },
    ).named_results()
    return [stored_event(row) for row in rows]


def _retry(event: StoredEvent) -> Retry:
    attempt = event.metadata.retry_attempt if event.metadata else None
    return Retry(
        timestamp=event.timestamp,
        event_type=event.event_type,
        pipeline_stage=event.pipeline_stage,
        retry_attempt=UNSET if attempt is None else attempt,
        succeeded=UNSET if event.event_type == "retry_initiated" else event.event_type == "retry_succeeded",
        error_message=event.error_message,
    )


TIMELINE: Final = Query(
    name="timeline",
    path="/api/v1/artifacts/{artifactId}/timeline",
    summary="Everything that happened to one artifact",
    description="Events of the artifact that are still kept, oldest first, at most 1,000; for more ask for its events.",
    parameters=ArtifactParameters,
    answer=Timeline,
    run=timeline,
    rows="events",
    columns=("timestamp", "eventType", "pipelineStage", "durationMs", "errorMessage"),
)
RETRIES: Final = Query(
    name="retries",
    path="/api/v1/artifacts/{artifactId}/retries",
    summary="Retries of one artifact",
    description="Requested retries and how they ended, oldest first, at most 1,000.",
    parameters=ArtifactParameters,
    answer=Retries,
    run=retries,
    rows="retries",
    columns=("timestamp", "eventType", "pipelineStage", "retryAttempt", "succeeded", "errorMessage"),
)
