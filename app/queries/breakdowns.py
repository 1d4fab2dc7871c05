"""Snapshots of a range: as they are, summed by stage (getStageBreakdown) or by organisation (getOrgBreakdown)."""

from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import Stage
from app.domain.rollups import PERIOD_MS
from app.domain.windows import DAY_MS, window_start_ms
from app.queries.fields import Answer, OrganizationLimitField, PeriodType, PeriodTypeField, RangeParameters
from app.queries.history import VIEWS, Snapshot, historical_metrics, mean_latency
from app.queries.query import Query
from app.queries.statements import statement

DEFAULT_MS: Final = {"hourly": DAY_MS, "daily": 7 * DAY_MS}
LABELS: Final[dict[Stage, str]] = {
    "transcription": "Transcription",
    "claims_extraction": "Claims extraction",
    "entity_resolution": "Entity resolution",
    "draft_generation": "Draft generation",
}


class SnapshotParameters(RangeParameters, frozen=True, kw_only=True):
    """Which snapshots; without a range those of the 24 hours or the 7 days that ended last."""

    period_type: PeriodTypeField = "hourly"

    def window(self, now_ms: int) -> tuple[int, int]:
        """First and last start of a period."""
        size_ms, length_ms = PERIOD_MS[self.period_type], DEFAULT_MS[self.period_type]
        if self.start_time is None and self.end_time is None:
            running_ms = window_start_ms(now_ms, size_ms)
            return max(0, running_ms - length_ms), max(0, running_ms - size_ms)
        end_ms = now_ms if self.end_time is None else self.end_time
        return (max(0, end_ms - length_ms) if self.start_time is None else self.start_time), end_ms


class SnapshotAnswer(Answer, frozen=True, kw_only=True):
    """What every answer from snapshots says of its window and scope; periods start within [start_time, end_time].

    Everything before `closed_until` is stored. `complete` is false while a period of the range, the running one
    included, has not ended or may lack records: then it is not shown yet, or its figures may grow.
    """

    period_type: PeriodType
    start_time: int
    end_time: int
    organization_id: str | UnsetType = UNSET
    complete: bool
    closed_until: int | UnsetType = UNSET


class History(SnapshotAnswer, frozen=True, kw_only=True):
    """Snapshots of closed periods, oldest first."""

    snapshots: list[Snapshot]


class OrganizationsParameters(SnapshotParameters, frozen=True, kw_only=True):
    """Which snapshots, and of how many organisations."""

    limit: OrganizationLimitField = 5000


class StageFigures(Answer, frozen=True, kw_only=True):
    """One stage: `count` are its outcomes, `avg_latency` is in milliseconds over its samples."""

    stage: Stage
    label: str
    avg_latency: float
    failure_rate: float
    count: int


class Stages(SnapshotAnswer, frozen=True, kw_only=True):
    """The four stages in their order; none if there are no snapshots."""

    stages: list[StageFigures]


class OrganizationFigures(Answer, frozen=True, kw_only=True):
    """One organisation; `avg_latency` is end to end, in milliseconds; a name that nobody told is Unknown."""

    organization_id: str
    org_name: str
    artifacts_received: int
    artifacts_completed: int
    artifacts_failed: int
    total_ai_cost: float = msgspec.field(name="totalAICost")
    end_to_end_samples: int
    avg_latency: float
    failure_rate: float


class Organizations(SnapshotAnswer, frozen=True, kw_only=True):
    """Organisations, the one that received most first; `truncated` is true if there are more than were asked for."""

    organizations: list[OrganizationFigures]
    truncated: bool


def history(client: Client, parameters: SnapshotParameters, now_ms: int) -> History:
    """The snapshots of the range, of the platform or of one organisation."""
    about = _about(client, parameters, now_ms)
    return History(**about, snapshots=_rows(client, parameters, now_ms))


def stages(client: Client, parameters: SnapshotParameters, now_ms: int) -> Stages:
    """Outcomes, failure rate and mean latency of each stage over the range."""
    about, rows = _about(client, parameters, now_ms), _rows(client, parameters, now_ms)
    return Stages(**about, stages=[_stage(stage, rows) for stage in LABELS] if rows else [])


def organizations(client: Client, parameters: OrganizationsParameters, now_ms: int) -> Organizations:
    """Volume, cost, latency and failure rate of each organisation over the range."""
    about = _about(client, parameters, now_ms)
    start_ms, end_ms = parameters.window(now_ms)
    result = client.query(
        statement("organizations", VIEWS[parameters.period_type]),
        parameters={
            "now_ms": now_ms,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "organization_id": parameters.organization_id or "",
            "limit": parameters.limit,
        },
    )
    found = [msgspec.convert(row, OrganizationFigures) for row in result.named_results()]
    limit = parameters.limit
    return Organizations(**about, organizations=found[:limit], truncated=len(found) > limit)


def _rows(client: Client, parameters: SnapshotParameters, now_ms: int) -> list[Snapshot]:
    start_ms, end_ms = parameters.window(now_ms)
    return historical_metrics(client, parameters.period_type, start_ms, end_ms, parameters.organization_id, now_ms)


def _about(client: Client, parameters: SnapshotParameters, now_ms: int) -> dict[str, Any]:
    """Fields of every answer. Asked before the rows: what is closed by then has its rows."""
    start_ms, end_ms = parameters.window(now_ms)
    closed_ms = int(client.query(statement("closed_until")).result_rows[0][0])
    size_ms = PERIOD_MS[parameters.period_type]
    last_ms = window_start_ms(end_ms, size_ms)
    return {
        "period_type": parameters.period_type,
        "start_time": start_ms,
        "end_time": end_ms,
        "organization_id": parameters.organization_id or UNSET,
        "complete": last_ms < start_ms or last_ms + size_ms <= closed_ms,
        "closed_until": closed_ms or UNSET,
    }


def _stage(stage: Stage, rows: list[Snapshot]) -> StageFigures:
    failures = sum(getattr(row, f"{stage}_failures") for row in rows)
    count = failures + sum(getattr(row, f"{stage}_successes") for row in rows)
    return StageFigures(
        stage=stage,
        label=LABELS[stage],
        avg_latency=mean_latency(stage, rows),
        failure_rate=failures / count if count else 0.0,
        count=count,
    )


HISTORY: Final = Query(
    name="history",
    path="/api/v1/metrics/history",
    summary="Snapshots of past hours and days",
    description="Figures of closed periods of the platform or of one organisation, oldest first.",
    parameters=SnapshotParameters,
    answer=History,
    run=history,
    rows="snapshots",
    columns=(
        "periodStart",
        "artifactsReceived",
        "artifactsCompleted",
        "artifactsFailed",
        "totalClaimsExtracted",
        "totalAICost",
        "p95EndToEndLatency",
    ),
)
STAGES: Final = Query(
    name="stages",
    path="/api/v1/stages",
    summary="Figures of each stage",
    description="Outcomes, failure rate and mean latency of the four stages, from snapshots.",
    parameters=SnapshotParameters,
    answer=Stages,
    run=stages,
    rows="stages",
    columns=("label", "count", "avgLatency", "failureRate"),
)
ORGANIZATIONS: Final = Query(
    name="organizations",
    path="/api/v1/organizations",
    summary="Figures of each organisation",
    description="Volume, cost, latency and failure rate of the organisations that received most, from snapshots.",
    parameters=OrganizationsParameters,
    answer=Organizations,
    run=organizations,
    rows="organizations",
    columns=(
        "organizationId",
        "orgName",
        "artifactsReceived",
        "artifactsCompleted",
        "artifactsFailed",
        "avgLatency",
        "failureRate",
    ),
)
