"""The state of the pipeline at a glance."""

from typing import Any, Final, Literal

from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import STAGES, Stage
from app.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from app.queries.fields import Answer, Parameters
from app.queries.history import Snapshot, historical_metrics, mean_latency
from app.queries.minutes import Buckets, Figures, figures
from app.queries.pipeline_state import PipelineState, pipeline_state
from app.queries.query import Query
from app.queries.statements import statement

BASELINE_HOURS: Final = 168
FLOW: Final = STAGES[:5]
BreakerState = Literal["closed", "half_open", "open"]


class FlowStage(Answer, frozen=True, kw_only=True):
    """One stage: good ends and failures of the last 60 minutes, and the active artifacts in it.

    `avg_latency` is the mean of these 60 minutes, `baseline_latency` that of the 168 hours before, in milliseconds;
    both are 0 without samples, and not there for the stage that has no duration.
    """

    stage: Stage
    count: int
    failures: int
    queue_depth: int
    avg_latency: float | UnsetType = UNSET
    baseline_latency: float | UnsetType = UNSET


class Overview(Answer, frozen=True, kw_only=True):
    """Today is the UTC day so far, in US dollars; the latency is that of the last 24 hours, in milliseconds."""

    organization_id: str | UnsetType = UNSET
    active_artifacts: int
    completed_today: int
    failed_today: int
    failure_rate_today: float
    avg_end_to_end_latency: float
    end_to_end_samples: int
    breaker_state: BreakerState
    breaker_since: int | UnsetType = UNSET
    open_disambiguations: int
    total_cost_today: float
    stages: list[FlowStage]


def overview(client: Client, parameters: Parameters, now_ms: int) -> Overview:
    """The state at `now_ms`; the circuit breaker's is that of the whole platform."""
    organization_id = parameters.organization_id
    scope = {"now_ms": now_ms, "organization_id": organization_id or ""}
    day_ms = now_ms - now_ms % DAY_MS
    today = _row(client, "today", {**scope, "start_ms": day_ms, "end_ms": day_ms + DAY_MS})
    way = _row(client, "end_to_end", {**scope, "start_ms": now_ms + 1 - DAY_MS, "end_ms": now_ms + 1})
    breaker = _row(client, "breaker", {"now_ms": now_ms})
    state = pipeline_state(client, organization_id)
    finished = today["completed"] + today["failed"]
    return Overview(
        organization_id=organization_id or UNSET,
        active_artifacts=sum(state.active.values()),
        completed_today=today["completed"],
        failed_today=today["failed"],
        failure_rate_today=today["failed"] / finished if finished else 0.0,
        avg_end_to_end_latency=way["mean"],
        end_to_end_samples=way["samples"],
        breaker_state=breaker.get("state", "closed"),
        breaker_since=breaker.get("since", UNSET),
        open_disambiguations=state.open_disambiguations,
        total_cost_today=today["cost"],
        stages=_flow(client, organization_id, state, now_ms),
    )


def _row(client: Client, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The only row of a statement, empty if there is none."""
    return next(iter(client.query(statement(name), parameters=parameters).named_results()), {})


def _flow(client: Client, organization_id: str | None, state: PipelineState, now_ms: int) -> list[FlowStage]:
    """The stages over the current minute and the 59 before it."""
    end_ms = now_ms - now_ms % MINUTE_MS + MINUTE_MS
    hour = Buckets(start_ms=end_ms - HOUR_MS, end_ms=end_ms, size_ms=HOUR_MS, organization_id=organization_id)
    [last] = figures(client, hour, now_ms)
    first_ms = now_ms - now_ms % HOUR_MS - BASELINE_HOURS * HOUR_MS
    before = historical_metrics(client, "hourly", first_ms, now_ms, organization_id, now_ms)
    return [_flow_stage(stage, last, before, state.active.get(stage, 0)) for stage in FLOW]


def _flow_stage(stage: Stage, last: Figures, before: list[Snapshot], queue_depth: int) -> FlowStage:
    if stage == "ingestion":
        return FlowStage(stage=stage, count=last.artifacts_received, failures=0, queue_depth=queue_depth)
    return FlowStage(
        stage=stage,
        count=getattr(last, f"{stage}_successes"),
        failures=getattr(last, f"{stage}_failures"),
        queue_depth=queue_depth,
        avg_latency=getattr(last, f"avg_{stage}_latency"),
        baseline_latency=mean_latency(stage, before),
    )


OVERVIEW: Final = Query(
    name="overview",
    path="/api/v1/overview",
    summary="The state of the pipeline at a glance",
    description=(
        "Active artifacts and open disambiguations now, what finished and what was spent in the UTC day so far, the "
        "mean end-to-end latency of 24 hours, the platform's circuit breaker, and the stages in the last 60 minutes."
    ),
    parameters=Parameters,
    answer=Overview,
    run=overview,
    rows="",
    columns=(),
)
