"""Figures of single minutes, for what no snapshot covers yet."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.errors import InvalidParameter
from app.queries.fields import Answer, RangeParameters
from app.queries.known_minutes import KnownMinutes, Parts, Row, Stretch, known_minutes, sums_of
from app.queries.query import Query
from app.queries.spans import KEPT_HOURS
from sinks.clickhouse.formulas import COUNTS, LENGTHS, STAGES


class Figures(Answer, frozen=True):
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


SUMS: Final = (
    "artifactsReceived",
    "artifactsCompleted",
    "artifactsFailed",
    *(f"{stage}{sum_}" for stage in STAGES for sum_ in ("Successes", "Failures", "LatencySum", "LatencySamples")),
    "entityResolutionsAmbiguous",
    "endToEndSum",
    "endToEndSamples",
    "p95EndToEndLatency",
    "totalAICost",
)
"""What is summed up in a minute."""
WHOLE_SUMS: Final = SUMS[:-1]
KEPT: Final = ("sums", SUMS[-1])
"""Columns of a kept minute: the sums that are whole numbers stand in one array, in this order."""
_KINDS: Final = frozenset(chain(*COUNTS.values(), *LENGTHS.values()))
COUNTED: Final = {kind: [name for name in COUNTS if kind in COUNTS[name]] for kind in _KINDS}
"""The sums that count a kind."""
MEASURED: Final = {kind: [name for name in LENGTHS if kind in LENGTHS[name]] for kind in _KINDS}
"""What the names of the sums begin with that add up the lengths of a kind."""
MEANS: Final = {
    "avgEndToEndLatency": "endToEnd",
    **{f"avg{stage[0].upper()}{stage[1:]}Latency": f"{stage}Latency" for stage in STAGES},
}
"""What the name of a mean's sum and samples begins with."""
FIELDS: Final = [field.encode_name for field in msgspec.structs.fields(Figures)]


class Minutes(Answer, frozen=True, kw_only=True):
    """Minutes, oldest first; one without any event has zeros."""

    minutes: list[Figures]


def kept_sums(known: KnownMinutes, parts: Parts) -> dict[str, Sequence[Any]]:
    """Sums of the minutes that are kept, by name; where an organisation has no row nothing happened."""
    nothing = [0] * len(WHOLE_SUMS)
    rows = [sums or nothing for sums in known.values("sums", parts)]
    columns = zip(*rows, strict=True) if rows else [()] * len(WHOLE_SUMS)
    return dict(zip(SUMS, [*columns, known.values(SUMS[-1], parts)], strict=True))


def sums_within(client: Client, stretches: Sequence[Stretch], asked: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Sums of the events of the stretches by the start of their bucket, all of them one unless `asked` has its size."""
    found: dict[int, dict[str, Any]] = {}
    for start_ms, kind, number, length, samples, p95, cost in sums_of(
        client, "figures_by_kind", stretches, asked
    ).result_rows:
        sums = found.setdefault(start_ms, dict.fromkeys(SUMS, 0))
        sums["totalAICost"] += cost
        for name in COUNTED.get(kind, ()):
            sums[name] += number
        for name in MEASURED.get(kind, ()):
            sums[f"{name}Sum"] += length
            sums[f"{name}Samples"] += samples
        if kind in LENGTHS["endToEnd"]:
            sums["p95EndToEndLatency"] = p95
    return found


def figures_of(sums: Row, period_start: int) -> Figures:
    """Figures out of the sums of a period."""
    return figures_of_columns([period_start], {name: [value] for name, value in sums.items()})[0]


def figures_of_columns(starts: Sequence[int], sums: Mapping[str, Sequence[Any]]) -> list[Figures]:
    """Figures out of the sums of many periods, by name: two days are three thousand minutes of 25 figures each."""
    columns = {**sums, "periodStart": starts}
    for mean_name, name in MEANS.items():
        pairs = zip(sums[f"{name}Sum"], sums[f"{name}Samples"], strict=True)
        columns[mean_name] = [total / samples if samples else 0.0 for total, samples in pairs]
    return list(map(Figures, *(columns[name] for name in FIELDS)))


def mean(sums: Row, name: str) -> float:
    """Mean of the samples that `sums` adds up; 0 without any."""
    samples: int = sums[f"{name}Samples"]
    return sums[f"{name}Sum"] / samples if samples else 0.0


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
    end_ms = last_ms + MINUTE_MS
    asked = {
        "now_ms": now_ms,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "organization_id": parameters.organization_id or "",
    }
    known = known_minutes(client, KEPT, asked)
    parts = known.parts(start_ms, end_ms)
    kept = [known.minutes[place] for place in parts.kept]
    figures = figures_of_columns(kept, kept_sums(known, parts))
    found = dict(zip(kept, figures, strict=True))
    if parts.stretches:
        worked_out = sums_within(client, parts.stretches, asked | {"size_ms": MINUTE_MS})
        found |= {start: figures_of(sums, start) for start, sums in worked_out.items()}
    starts = range(start_ms, end_ms, MINUTE_MS)
    return Minutes(minutes=[found.get(start) or Figures(period_start=start) for start in starts])


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
