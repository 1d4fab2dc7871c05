"""Snapshots of past hours and days."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
from clickhouse_connect.driver.client import Client

from app.queries.statements import statement

PeriodType = Literal["hourly", "daily"]
VIEWS: Final = {"hourly": "snapshots_hourly_at", "daily": "snapshots_daily_at"}
TABLES: Final = {"hourly": "hourly_figures", "daily": "daily_figures"}
PLATFORM: Final = "WHERE scope = 'platform' GROUP BY periodStart"
# ClickHouse's DateTime64 ends here; a bound beyond it means the same.
_LATEST_MS: Final = 4_102_444_800_000


class Snapshot(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=False):
    """Figures of one scope in one closed period; a scope without `organization_id` is the whole platform.

    Durations are means in milliseconds, rates fractions from 0 to 1, costs US dollars; without samples they are 0.
    `complete` is false while records from before the period's end may still be unread; its figures then may grow.
    """

    period_type: PeriodType
    period_start: int
    period_end: int
    organization_id: str | msgspec.UnsetType = msgspec.UNSET
    created_at: int
    complete: bool
    artifacts_received: int
    artifacts_completed: int
    artifacts_failed: int
    transcription_successes: int
    transcription_failures: int
    transcription_failure_rate: float
    transcription_latency_samples: int
    avg_transcription_latency: float
    claims_extraction_successes: int
    claims_extraction_failures: int
    claims_extraction_failure_rate: float
    claims_extraction_latency_samples: int
    avg_claims_extraction_latency: float
    entity_resolution_successes: int
    entity_resolution_failures: int
    entity_resolution_failure_rate: float
    entity_resolution_latency_samples: int
    avg_entity_resolution_latency: float
    entity_resolutions_ambiguous: int
    auto_resolution_rate: float
    disambiguation_rate: float
    draft_generation_successes: int
    draft_generation_failures: int
    draft_generation_failure_rate: float
    draft_generation_latency_samples: int
    avg_draft_generation_latency: float
    end_to_end_samples: int
    avg_end_to_end_latency: float
    p95_end_to_end_latency: int = msgspec.field(name="p95EndToEndLatency")
    transcript_confidence_samples: int
    avg_transcript_confidence: float
    claim_confidence_samples: int
    avg_claim_confidence: float
    overall_failure_rate: float
    terminal_failure_rate: float
    total_claims_extracted: int
    total_entities_resolved: int
    total_drafts_generated: int
    total_ai_cost: float = msgspec.field(name="totalAICost")
    avg_cost_per_artifact: float
    drafts_confirmed: int
    drafts_rejected: int
    draft_confirmation_rate: float


def historical_metrics(  # noqa: PLR0913, PLR0917  (the question has these parts)
    client: Client,
    period_type: PeriodType,
    start_ms: int,
    end_ms: int,
    organization_id: str | None,
    now_ms: int,
) -> list[Snapshot]:
    """Snapshots with start_ms <= period start <= end_ms, ascending; platform rows only if no organisation is given.

    Empty if there are none. Rows that are past their retention at `now_ms` are left out. Raises what the client
    raises. Source: getHistoricalMetrics of the domain.
    """
    columns = statement("snapshot_columns")
    rows = _rows(client, columns, period_type, (start_ms, end_ms), organization_id, now_ms)
    return [_snapshot(row, period_type, organization_id) for row in rows]


class StageLatencies(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """What a snapshot says of the duration of each stage, in milliseconds."""

    transcription_latency_samples: int
    avg_transcription_latency: float
    claims_extraction_latency_samples: int
    avg_claims_extraction_latency: float
    entity_resolution_latency_samples: int
    avg_entity_resolution_latency: float
    draft_generation_latency_samples: int
    avg_draft_generation_latency: float


def hourly_latencies(
    client: Client, start_ms: int, end_ms: int, organization_id: str | None, now_ms: int
) -> list[StageLatencies]:
    """The durations in the hourly snapshots that `historical_metrics` gives for the range."""
    columns = ", ".join(field.encode_name for field in msgspec.structs.fields(StageLatencies))
    rows = _rows(client, columns, "hourly", (start_ms, end_ms), organization_id, now_ms)
    return [msgspec.convert(row, StageLatencies) for row in rows]


def _rows(  # noqa: PLR0913, PLR0917  (the question has these parts)
    client: Client,
    columns: str,
    period_type: PeriodType,
    range_ms: tuple[int, int],
    organization_id: str | None,
    now_ms: int,
) -> Iterator[dict[str, Any]]:
    table = TABLES[period_type]
    start_ms, end_ms = range_ms
    newest = f"(periodStart, createdAt) IN (SELECT periodStart, max(createdAt) FROM {table} {PLATFORM})"  # noqa: S608
    result = client.query(
        statement("history", table, columns=columns, newest=newest if organization_id else "1"),
        parameters={
            "now_ms": now_ms,
            "start_ms": min(max(start_ms, 0), _LATEST_MS),
            "end_ms": min(max(end_ms, -1), _LATEST_MS),
            "scope": "org" if organization_id else "platform",
            "organization_id": organization_id or "",
        },
    )
    return iter(result.named_results())


def mean_latency(stage: str, rows: Sequence[Snapshot | StageLatencies]) -> float:
    """Mean duration of a stage over periods, each with the weight of its samples; 0 without any."""
    samples = sum(getattr(row, f"{stage}_latency_samples") for row in rows)
    # A mean times its samples is a whole number of milliseconds, but for what floating point adds or takes away.
    total = sum(round(getattr(row, f"avg_{stage}_latency") * getattr(row, f"{stage}_latency_samples")) for row in rows)
    return total / samples if samples else 0.0


def _snapshot(row: dict[str, Any], period_type: PeriodType, organization_id: str | None) -> Snapshot:
    figures = dict(row)
    figures["periodType"] = period_type
    figures["periodStart"] = figures.pop("period_start_ms")
    figures["periodEnd"] = figures.pop("period_end_ms")
    figures["createdAt"] = figures.pop("created_at_ms")
    if organization_id:
        figures["organizationId"] = organization_id
    return msgspec.convert(figures, Snapshot)
