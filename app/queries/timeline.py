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

RETRY_TYPES: Final = ("retry_initiated", "retry_succeeded", "retry_failed")


class ArtifactParameters(Parameters, frozen=True, kw_only=True):
    """Which artifact; with an organisation only what carries it is shown."""

    artifact_id: ArtifactField


class Timeline(Answer, frozen=True, kw_only=True):
    """All events of one artifact, oldest first; empty for an unknown one."""

    artifact_id: str
    events: list[StoredEvent]


class Retry(Answer, frozen=True, kw_only=True):
    """One step of a retry; `succeeded` is there once the retry has ended."""

    timestamp: int
    event_type: EventType
    pipeline_stage: Stage | UnsetType = UNSET
    retry_attempt: int | UnsetType = UNSET
    succeeded: bool | UnsetType = UNSET
    error_message: str | UnsetType = UNSET


class Retries(Answer, frozen=True, kw_only=True):
    """The retries of one artifact, oldest first."""

    artifact_id: str
    retries: list[Retry]


def timeline(client: Client, parameters: ArtifactParameters, now_ms: int) -> Timeline:
    """All visible events of the artifact, ascending by time, then by event id."""
    return Timeline(artifact_id=parameters.artifact_id, events=_events(client, parameters, (), now_ms))


def retries(client: Client, parameters: ArtifactParameters, now_ms: int) -> Retries:
    """The artifact's retry events as steps."""
    events = _events(client, parameters, RETRY_TYPES, now_ms)
    return Retries(artifact_id=parameters.artifact_id, retries=[_retry(event) for event in events])


def _events(client: Client, parameters: ArtifactParameters, types: Sequence[str], now_ms: int) -> list[StoredEvent]:
    rows = client.query(
        statement("timeline"),
        parameters={
            "now_ms": now_ms,
            "artifact_id": parameters.artifact_id,
            "organization_id": parameters.organization_id or "",
            "types": list(types),
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
    description="All events of the artifact that are still kept, oldest first.",
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
    description="Requested retries and how they ended, oldest first.",
    parameters=ArtifactParameters,
    answer=Retries,
    run=retries,
    rows="retries",
    columns=("timestamp", "eventType", "pipelineStage", "retryAttempt", "succeeded", "errorMessage"),
)
