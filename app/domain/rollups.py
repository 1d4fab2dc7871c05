"""What each hourly and daily figure means: plain Python, slow and obvious, the measure for the store's SQL.

Written from section 3.2 of the domain. Durations are milliseconds, costs US dollars, rates fractions from 0 to 1.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from app.domain.event_model import MAX_DURATION_MS, PipelineEvent
from app.domain.event_types import STAGE_OF_TYPE
from app.domain.windows import DAY_MS, HOUR_MS, window_start_ms

PeriodType = Literal["hourly", "daily"]
PERIOD_MS: Final[dict[PeriodType, int]] = {"hourly": HOUR_MS, "daily": DAY_MS}
Figures = dict[str, int | float]
Key = tuple[int, str | None]
"""Start of the period and organisation; None is the whole platform."""

# Name of the stage in the figures: what ends it well, what ends it badly.
STAGES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "transcription": (("transcription_completed",), "transcription_failed"),
    "claimsExtraction": (("claims_extracted",), "claims_extraction_failed"),
    "entityResolution": (("entity_resolution_completed", "entity_needs_disambiguation"), "entity_resolution_failed"),
    "draftGeneration": (("drafts_generated",), "draft_generation_failed"),
}


class EndToEnd(NamedTuple):
    """One artifact's way from its receipt to its completion."""

    completed_ms: int
    length_ms: int
    organization_id: str | None


class _Start(NamedTuple):
    """One `_started` event, in the order in which the latest is found."""

    timestamp: int
    event_id: str
    begins_ms: int


class Durations:
    """Tells how long the stage took that an event ends."""

    def __init__(self, events: Iterable[PipelineEvent]) -> None:
        self._starts: dict[tuple[str, str | None], list[_Start]] = defaultdict(list)
        for event in events:
            if event.event_type.endswith("_started") and event.artifact_id is not None:
                begins_ms = event.timestamp if event.stage_started_at is None else event.stage_started_at
                start = _Start(event.timestamp, event.event_id, begins_ms)
                self._starts[event.artifact_id, STAGE_OF_TYPE[event.event_type]].append(start)

    def of(self, event: PipelineEvent) -> int | None:
        """Milliseconds; None if it is unknown, negative or above 48 h. The first rule that applies decides."""
        if event.stage_started_at is not None and event.stage_completed_at is not None:
            duration_ms: int | None = event.stage_completed_at - event.stage_started_at
        elif event.duration_ms is not None:
            duration_ms = event.duration_ms
        else:
            duration_ms = self._since_latest_start(event)
        return duration_ms if duration_ms is not None and 0 <= duration_ms <= MAX_DURATION_MS else None

    def _since_latest_start(self, event: PipelineEvent) -> int | None:
        if event.artifact_id is None:
            return None
        stage = STAGE_OF_TYPE[event.event_type]
        before = [start for start in self._starts.get((event.artifact_id, stage), ()) if start[0] <= event.timestamp]
        if not before:
            return None
        ends_ms = event.timestamp if event.stage_completed_at is None else event.stage_completed_at
        return ends_ms - max(before).begins_ms


def end_to_end(events: Iterable[PipelineEvent]) -> Iterator[EndToEnd]:
    """At most one sample an artifact: from its earliest receipt to its earliest completion, if that is not before."""
    receipts: dict[str, PipelineEvent] = {}
    completions: dict[str, PipelineEvent] = {}
    earliest_of = {"artifact_received": receipts, "artifact_completed": completions}
    for event in events:
        earliest = earliest_of.get(event.event_type)
        if earliest is not None and event.artifact_id is not None:
            present = earliest.setdefault(event.artifact_id, event)
            earliest[event.artifact_id] = min(present, event, key=lambda e: (e.timestamp, e.event_id))
    for artifact_id, completion in completions.items():
        receipt = receipts.get(artifact_id)
        if receipt is not None and completion.timestamp >= receipt.timestamp:
            length_ms = completion.timestamp - receipt.timestamp
            yield EndToEnd(completion.timestamp, length_ms, completion.organization_id or receipt.organization_id)


def snapshots(
    events: Sequence[PipelineEvent], period_type: PeriodType, first_ms: int, end_ms: int
) -> dict[Key, Figures]:
    """Figures of each period within [first_ms, end_ms): the platform's, and those of organisations with anything in it.

    `events` are all known ones, each once, in any order: those outside of the range may start what ends in it.
    """
    size_ms = PERIOD_MS[period_type]
    durations = Durations(events)
    members: dict[Key, list[PipelineEvent]] = {(start, None): [] for start in range(first_ms, end_ms, size_ms)}
    samples: dict[Key, list[int]] = defaultdict(list)
    for event in events:
        start_ms = window_start_ms(event.timestamp, size_ms)
        for scope in {None, event.organization_id}:
            members.setdefault((start_ms, scope), []).append(event)
    for sample in end_to_end(events):
        start_ms = window_start_ms(sample.completed_ms, size_ms)
        for scope in {None, sample.organization_id}:
            members.setdefault((start_ms, scope), [])
            samples[start_ms, scope].append(sample.length_ms)
    return {
        key: _figures(found, durations, samples[key]) for key, found in members.items() if first_ms <= key[0] < end_ms
    }


def _figures(events: list[PipelineEvent], durations: Durations, samples: list[int]) -> Figures:
    by_type: dict[str, list[PipelineEvent]] = defaultdict(list)
    for event in events:
        settled = event.event_type == "entity_resolution_completed" and event.previous_status == "needs_disambiguation"
        by_type["names_settled" if settled else event.event_type].append(event)
    received, completed = len(by_type["artifact_received"]), len(by_type["artifact_completed"])
    failed = len(by_type["artifact_failed"])
    cost = sum((Fraction(Decimal(str(_item(event, "ai_cost")))) for event in events), Fraction(0))
    figures: Figures = {
        "artifactsReceived": received,
        "artifactsCompleted": completed,
        "artifactsFailed": failed,
        "overallFailureRate": _ratio(failed, received),
        "terminalFailureRate": _ratio(failed, completed + failed),
        "totalAICost": float(cost),
        "avgCostPerArtifact": float(cost / received) if received else 0,
    }
    for stage, (good, bad) in STAGES.items():
        ends = [event for name in good for event in by_type[name]]
        figures |= _stage_figures(stage, ends, len(by_type[bad]), durations)
    return figures | _resolution(by_type) | _items(by_type) | _confidence(by_type) | _end_to_end(samples)


def _stage_figures(stage: str, ends: list[PipelineEvent], failures: int, durations: Durations) -> Figures:
    lengths = [length for event in ends if (length := durations.of(event)) is not None]
    return {
        f"{stage}Successes": len(ends),
        f"{stage}Failures": failures,
        f"{stage}FailureRate": _ratio(failures, failures + len(ends)),
        f"{stage}LatencySamples": len(lengths),
        f"avg{stage[0].upper()}{stage[1:]}Latency": _ratio(sum(lengths), len(lengths)),
    }


def _resolution(by_type: dict[str, list[PipelineEvent]]) -> Figures:
    automatic, ambiguous = (
        len(by_type[name]) for name in ("entity_resolution_completed", "entity_needs_disambiguation")
    )
    confirmed, rejected = len(by_type["draft_confirmed"]), len(by_type["draft_rejected"])
    return {
        "entityResolutionsAmbiguous": ambiguous,
        "autoResolutionRate": _ratio(automatic, automatic + ambiguous),
        "disambiguationRate": _ratio(ambiguous, automatic + ambiguous),
        "draftsConfirmed": confirmed,
        "draftsRejected": rejected,
        "draftConfirmationRate": _ratio(confirmed, confirmed + rejected),
    }


def _items(by_type: dict[str, list[PipelineEvent]]) -> Figures:
    def total(name: str, *event_types: str) -> int:
        return int(sum(_item(event, name) for event_type in event_types for event in by_type[event_type]))

    return {
        "totalClaimsExtracted": total("claim_count", "claims_extracted"),
        "totalEntitiesResolved": total("entity_count", "entity_resolution_completed", "names_settled")
        + total("auto_resolved_count", "entity_needs_disambiguation"),
        "totalDraftsGenerated": total("draft_count", "drafts_generated"),
    }


def _confidence(by_type: dict[str, list[PipelineEvent]]) -> Figures:
    figures: Figures = {}
    for name, event_type in (("transcript", "transcription_completed"), ("claim", "claims_extracted")):
        scores = [
            Fraction(Decimal(str(event.metadata.confidence_score)))
            for event in by_type[event_type]
            if event.metadata is not None and event.metadata.confidence_score is not None
        ]
        figures[f"{name}ConfidenceSamples"] = len(scores)
        figures[f"avg{name.capitalize()}Confidence"] = float(sum(scores) / len(scores)) if scores else 0
    return figures


def _end_to_end(samples: list[int]) -> Figures:
    ascending = sorted(samples)
    return {
        "endToEndSamples": len(samples),
        "avgEndToEndLatency": _ratio(sum(samples), len(samples)),
        "p95EndToEndLatency": ascending[len(samples) * 95 // 100] if samples else 0,
    }


def _item(event: PipelineEvent, name: str) -> float:
    """The metadata's figure; 0 if it is unknown."""
    return (getattr(event.metadata, name) or 0) if event.metadata is not None else 0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0
