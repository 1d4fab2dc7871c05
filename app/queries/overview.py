"""The state of the pipeline at a glance."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import STAGES, Stage
from app.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from app.queries.fields import Answer, Parameters
from app.queries.history import StageLatencies, hourly_latencies, mean_latency
from app.queries.known_minutes import Parts, known_minutes, sums_of
from app.queries.minutes import KEPT, SUMS, Figures, figures_of, kept_sums, mean, sums_within
from app.queries.pipeline_state import PipelineState, pipeline_state
from app.queries.query import Query
from app.queries.statements import statement

BASELINE_HOURS: Final = 168
FLOW: Final = STAGES[:5]
TODAY: Final = ("artifactsCompleted", "artifactsFailed", "totalAICost")
WAYS: Final = ("endToEndSum", "endToEndSamples")
Sums = Mapping[str, Any]
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
    pieces = _Pieces(client, organization_id or "", now_ms)
    today, way = pieces.today(), pieces.end_to_end()
    breaker = next(iter(client.query(statement("breaker")).named_results()), {})
    state = pipeline_state(client, organization_id)
    finished = today["artifactsCompleted"] + today["artifactsFailed"]
    return Overview(
        organization_id=organization_id or UNSET,
        active_artifacts=sum(state.active.values()),
        completed_today=today["artifactsCompleted"],
        failed_today=today["artifactsFailed"],
        failure_rate_today=today["artifactsFailed"] / finished if finished else 0.0,
        avg_end_to_end_latency=mean(way, "endToEnd"),
        end_to_end_samples=way["endToEndSamples"],
        breaker_state=breaker.get("state", "closed"),
        breaker_since=breaker.get("since", UNSET),
        open_disambiguations=state.open_disambiguations,
        total_cost_today=float(today["totalAICost"]),
        stages=_flow(client, organization_id, state, pieces.last_hour(), now_ms),
    )


class _Pieces:
    """Sums over the UTC day, the last 24 hours and the last 60 minutes, each of kept minutes and of what is left."""

    def __init__(self, client: Client, organization_id: str, now_ms: int) -> None:
        self._client = client
        self._now_ms = now_ms
        self._day_ms = now_ms - now_ms % DAY_MS
        self._asked = {"now_ms": now_ms, "organization_id": organization_id}
        bounds = {"start_ms": now_ms + 1 - DAY_MS, "end_ms": self._day_ms + DAY_MS + MINUTE_MS}
        self._known = known_minutes(client, KEPT, self._asked | bounds)

    def today(self) -> Sums:
        """What finished and what was spent in the UTC day."""
        return self._sums("today", self._day_ms, self._day_ms + DAY_MS, TODAY)

    def end_to_end(self) -> Sums:
        """Ways of the artifacts completed in the last 24 hours, this millisecond included."""
        return self._sums("end_to_end", self._now_ms + 1 - DAY_MS, self._now_ms + 1, WAYS)

    def last_hour(self) -> Sums:
        """All sums of the current minute and the 59 before it."""
        end_ms = self._now_ms - self._now_ms % MINUTE_MS + MINUTE_MS
        parts = self._known.parts(end_ms - HOUR_MS, end_ms)
        found = sums_within(self._client, parts.stretches, self._asked).values() if parts.stretches else ()
        return self._together(parts, found, SUMS)

    def _sums(self, name: str, start_ms: int, end_ms: int, columns: Sequence[str]) -> Sums:
        parts = self._known.parts(start_ms, end_ms)
        found = sums_of(self._client, name, parts.stretches, self._asked).named_results() if parts.stretches else ()
        return self._together(parts, found, columns)

    def _together(self, parts: Parts, found: Iterable[Sums], columns: Sequence[str]) -> Sums:
        """Sums of the minutes that are kept and of what was found in the rest."""
        kept = kept_sums(self._known, parts)
        sums = {column: sum(kept[column]) for column in columns}
        for row in found:
            sums = {column: sums[column] + row[column] for column in columns}
        return sums


def _flow(
    client: Client, organization_id: str | None, state: PipelineState, last_hour: Sums, now_ms: int
) -> list[FlowStage]:
    """The stages over the current minute and the 59 before it."""
    last = figures_of(last_hour, now_ms)
    first_ms = now_ms - now_ms % HOUR_MS - BASELINE_HOURS * HOUR_MS
    before = hourly_latencies(client, first_ms, now_ms, organization_id, now_ms)
    return [_flow_stage(stage, last, before, state.active.get(stage, 0)) for stage in FLOW]


def _flow_stage(stage: Stage, last: Figures, before: list[StageLatencies], queue_depth: int) -> FlowStage:
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
