"""How artifacts and events of a range are spread: over stages, confidences and channels."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import STAGE_OF_TYPE, STAGES, Stage
from app.queries.fields import Answer, RangeParameters
from app.queries.known_minutes import known_minutes, sums_of
from app.queries.query import Query
from app.queries.spans import span
from app.queries.statements import statement

BINS: Final = 10
STAGE_BIT: Final = "multiIf({}, 0)".format(
    ", ".join(
        f"eventType IN ({', '.join(repr(name) for name, known in STAGE_OF_TYPE.items() if known == stage)}), {1 << bit}"
        for bit, stage in enumerate(STAGES)
    )
)
"""The bit of an event's stage, as the table of artifacts by hour has it; 0 for types without a stage."""
COUNTED: Final = {
    "confidence": ("confidences.bin", "confidences.transcription", "confidences.claims"),
    "channels": ("channels.channel", "channels.received", "channels.completed", "channels.failed"),
}
"""Columns of a kept minute, each one array: as arrays of tuples they would become thousands of dictionaries."""
SLICE_ROWS: Final = 2_000_000
"""Rows of artifacts that one statement of the funnel groups: that many fit into memory, whatever the number of all."""
REACHED: Final = ", ".join(f"countIf(bitTest(reached, {bit}))" for bit in range(len(STAGES)))


class FunnelStage(Answer, frozen=True, kw_only=True):
    """Distinct artifacts with an event of the stage; `drop_off` is the share lost since the stage before.

    It is negative where more artifacts have this stage than the one before, as they reached that before the range.
    """

    stage: Stage
    artifacts: int
    drop_off: float


class Funnel(Answer, frozen=True, kw_only=True):
    """The six stages in their order."""

    stages: list[FunnelStage]


class ConfidenceBin(Answer, frozen=True, kw_only=True):
    """Events with a confidence of `from` or more and below `to` (the last bin: up to 1); `count` is their sum."""

    from_: float = msgspec.field(name="from")
    to: float
    count: int
    transcription: int
    claims: int


class Confidence(Answer, frozen=True, kw_only=True):
    """The ten bins, lowest first."""

    bins: list[ConfidenceBin]


class Channel(Answer, frozen=True, kw_only=True):
    """One channel, without a name where it is unknown: `count` are the artifacts received."""

    source_channel: str | UnsetType = UNSET
    count: int
    artifacts_completed: int
    artifacts_failed: int


class Channels(Answer, frozen=True, kw_only=True):
    """Channels, the one that received most first."""

    channels: list[Channel]


def funnel(client: Client, parameters: RangeParameters, now_ms: int) -> Funnel:
    """How many artifacts have an event of each stage; retries and changes of status are of no stage."""
    asked = span(parameters, now_ms)
    rows = int(client.query(statement("funnel_rows"), parameters=asked).result_rows[0][0])
    slices = 1 + rows // SLICE_ROWS
    reached = statement("funnel", stage_bit=STAGE_BIT, reached=REACHED)
    found = [
        client.query(reached, parameters={**asked, "slices": slices, "slice": number}).result_rows[0]
        for number in range(slices)
    ]
    counts = [sum(of_stage) for of_stage in zip(*found, strict=True)]
    return Funnel(
        stages=[
            FunnelStage(stage=stage, artifacts=count, drop_off=1 - count / before if before else 0.0)
            for stage, before, count in zip(STAGES, [0, *counts], counts, strict=False)
        ]
    )


def confidence(client: Client, parameters: RangeParameters, now_ms: int) -> Confidence:
    """How sure transcriptions and claims were."""
    found: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for bin_, transcription, claims in _counts(client, "confidence", parameters, now_ms):
        counts = found[bin_]
        counts[0] += transcription
        counts[1] += claims
    return Confidence(bins=[_bin(number, *found[number]) for number in range(BINS)])


def channels(client: Client, parameters: RangeParameters, now_ms: int) -> Channels:
    """What was received, completed and failed in the range, by the channel that the artifact came through."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for name, received, completed, failed in _counts(client, "channels", parameters, now_ms):
        counts = found[name]
        counts[0] += received
        counts[1] += completed
        counts[2] += failed
    listed = sorted(found.items(), key=lambda one: ([-count for count in one[1]], one[0]))
    return Channels(
        channels=[
            Channel(
                source_channel=name or UNSET, count=received, artifacts_completed=completed, artifacts_failed=failed
            )
            for name, (received, completed, failed) in listed
        ]
    )


def _counts(client: Client, name: str, parameters: RangeParameters, now_ms: int) -> Iterator[Sequence[Any]]:
    """Counts of the minutes that are kept, then those that the statement `name` finds in the rest of the range."""
    asked = span(parameters, now_ms)
    known = known_minutes(client, COUNTED[name], asked)
    parts = known.parts(int(asked["start_ms"]), int(asked["end_ms"]))
    yield from zip(*(chain.from_iterable(known.values(column, parts)) for column in COUNTED[name]), strict=True)
    if parts.stretches:
        yield from (counts[3:] for counts in sums_of(client, name, parts.stretches, asked).result_rows)


def _bin(number: int, transcription: int, claims: int) -> ConfidenceBin:
    return ConfidenceBin(
        from_=number / BINS,
        to=(number + 1) / BINS,
        count=transcription + claims,
        transcription=transcription,
        claims=claims,
    )


FUNNEL: Final = Query(
    name="funnel",
    path="/api/v1/funnel",
    summary="Artifacts that reached each stage",
    description="Distinct artifacts with an event of each stage in the range; without one in the last 24 hours.",
    parameters=RangeParameters,
    answer=Funnel,
    run=funnel,
    rows="stages",
    columns=("stage", "artifacts", "dropOff"),
)
CONFIDENCE: Final = Query(
    name="confidence",
    path="/api/v1/confidence",
    summary="How sure the models were",
    description="Transcriptions and claims by tenths of their confidence score; without a range of the last 24 hours.",
    parameters=RangeParameters,
    answer=Confidence,
    run=confidence,
    rows="bins",
    columns=("from", "to", "count", "transcription", "claims"),
)
CHANNELS: Final = Query(
    name="channels",
    path="/api/v1/channels",
    summary="Artifacts by source channel",
    description="Artifacts received, completed and failed by source channel; without a range in the last 24 hours.",
    parameters=RangeParameters,
    answer=Channels,
    run=channels,
    rows="channels",
    columns=("sourceChannel", "count", "artifactsCompleted", "artifactsFailed"),
)
