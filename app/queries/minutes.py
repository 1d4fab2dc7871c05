"""Figures of single minutes, for what no snapshot covers yet."""

from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client

from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.errors import InvalidParameter
from app.queries.fields import Answer, RangeParameters
from app.queries.query import Query
from app.queries.spans import KEPT_HOURS
from app.queries.statements import statement


class Figures(Answer, frozen=True, kw_only=True):
    """What a snapshot would hold of a period; means in milliseconds are 0 without samples, cost is in US dollars."""

    period_start: int
    artifacts_received: int = 0
    artifacts_completed: int = 0
    artifacts_failed: int = 0
    transcription_successes: int = 0
    transcription_failures: int = 0
    transcription_latency_samples: int = 0
    avg_transcription_latency: float = 0.0
    claims_extraction_successes: int = 0
    claims_extraction_failures: int = 0
    claims_extraction_latency_samples: int = 0
    avg_claims_extraction_latency: float = 0.0
    entity_resolution_successes: int = 0
    entity_resolutions_ambiguous: int = 0
    entity_resolution_failures: int = 0
    entity_resolution_latency_samples: int = 0
    avg_entity_resolution_latency: float = 0.0
    draft_generation_successes: int = 0
    draft_generation_failures: int = 0
    draft_generation_latency_samples: int = 0
    avg_draft_generation_latency: float = 0.0
    end_to_end_samples: int = 0
    avg_end_to_end_latency: float = 0.0
    p95_end_to_end_latency: int = msgspec.field(name="p95EndToEndLatency", default=0)
    total_ai_cost: float = msgspec.field(name="totalAICost", default=0.0)


class Minutes(Answer, frozen=True, kw_only=True):
    """Minutes, oldest first; one without any event has zeros."""

    minutes: list[Figures]


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """Periods of `size_ms` within [start_ms, end_ms), of one organisation or of all."""

    start_ms: int
    end_ms: int
    size_ms: int
    organization_id: str | None


def figures(client: Client, buckets: Buckets, now_ms: int) -> list[Figures]:
    """Every period's figures, oldest first, from the visible events."""
    result = client.query(
        statement("figures"),
        parameters={
            "now_ms": now_ms,
            "start_ms": buckets.start_ms,
            "end_ms": buckets.end_ms,
            "size_ms": buckets.size_ms,
            "organization_id": buckets.organization_id or "",
        },
    )
    found = {row["periodStart"]: msgspec.convert(row, Figures) for row in result.named_results()}
    starts = range(buckets.start_ms, buckets.end_ms, buckets.size_ms)
    return [found.get(start) or Figures(period_start=start) for start in starts]


def minutes(client: Client, parameters: RangeParameters, now_ms: int) -> Minutes:
    """The minutes from that of the start to that of the end. Raises InvalidParameter for more than 48 hours."""
    end_ms = now_ms if parameters.end_time is None else parameters.end_time
    last_ms = end_ms - end_ms % MINUTE_MS
    start_ms = max(0, last_ms - HOUR_MS + MINUTE_MS) if parameters.start_time is None else parameters.start_time
    start_ms -= start_ms % MINUTE_MS
    if last_ms - start_ms > KEPT_HOURS * HOUR_MS:
        raise InvalidParameter("startTime", f"parameter 'startTime' is more than {KEPT_HOURS} hours before 'endTime'")
    if last_ms < start_ms:
        return Minutes(minutes=[])
    buckets = Buckets(
        start_ms=start_ms,
        end_ms=last_ms + MINUTE_MS,
        size_ms=MINUTE_MS,
        organization_id=parameters.organization_id,
    )
    return Minutes(minutes=figures(client, buckets, now_ms))


MINUTES: Final = Query(
    name="minutes",
    path="/api/v1/minutes",
    summary="Figures of each minute",
    description="Figures of at most 48 hours by minute, from the visible events; without a range the last 60 minutes.",
    parameters=RangeParameters,
    answer=Minutes,
    run=minutes,
    rows="minutes",
    columns=("periodStart", "artifactsReceived", "artifactsCompleted", "artifactsFailed", "totalAICost"),
)
