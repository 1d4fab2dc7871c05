"""Every question to the store; HTTP routes, their description and commands are made from it."""

from typing import Final

from clickhouse_connect.driver.client import Client

from app.queries.artifacts import ACTIVE, ARTIFACT, ARTIFACTS, FAILED, STUCK
from app.queries.breakdowns import ORGANIZATIONS, STAGES
from app.queries.distributions import CHANNELS, CONFIDENCE, FUNNEL
from app.queries.events import ERRORS, EVENTS
from app.queries.fields import Answer, PeriodType, PeriodTypeField, RangeParameters
from app.queries.history import Snapshot, historical_metrics
from app.queries.minutes import MINUTES
from app.queries.overview import OVERVIEW
from app.queries.query import Query
from app.queries.stage_errors import STAGE_ERRORS
from app.queries.timeline import RETRIES, TIMELINE

DAY_MS: Final = 86_400_000
DEFAULT_MS: Final = {"hourly": DAY_MS, "daily": 7 * DAY_MS}


class HistoryParameters(RangeParameters, frozen=True, kw_only=True):
    """Parameters of the history."""

    period_type: PeriodTypeField = "hourly"


class History(Answer, frozen=True, kw_only=True):
    """Snapshots of closed periods, oldest first."""

    snapshots: list[Snapshot]


def history(client: Client, parameters: HistoryParameters, now_ms: int) -> History:
    """Snapshots whose period starts in the range; without one, of the last 24 hours or 7 days."""
    period: PeriodType = parameters.period_type
    end_ms = now_ms if parameters.end_time is None else parameters.end_time
    start_ms = end_ms - DEFAULT_MS[period] if parameters.start_time is None else parameters.start_time
    return History(snapshots=historical_metrics(client, period, start_ms, end_ms, parameters.organization_id, now_ms))


CATALOGUE: Final[tuple[Query, ...]] = (
    Query(
        name="history",
        path="/api/v1/metrics/history",
        summary="Snapshots of past hours and days",
        description="Figures of closed periods of the platform or of one organisation, oldest first.",
        parameters=HistoryParameters,
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
    ),
    OVERVIEW,
    MINUTES,
    STAGES,
    STAGE_ERRORS,
    FUNNEL,
    CONFIDENCE,
    CHANNELS,
    ORGANIZATIONS,
    EVENTS,
    ERRORS,
    TIMELINE,
    RETRIES,
    ARTIFACTS,
    ACTIVE,
    FAILED,
    STUCK,
    ARTIFACT,
)
