"""How artifacts and events of a range are spread: over stages, confidences and channels."""

from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import STAGE_OF_TYPE, STAGES, Stage
from app.queries.fields import Answer, RangeParameters
from app.queries.query import Query
from app.queries.spans import span
from app.queries.statements import statement

BINS: Final = 10
STAGE_TYPES: Final = sorted(name for name, stage in STAGE_OF_TYPE.items() if stage)


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
    rows = client.query(statement("funnel"), parameters=span(parameters, now_ms) | {"types": STAGE_TYPES}).result_rows
    found = {row[0]: row[1] for row in rows}
    counts = [found.get(stage, 0) for stage in STAGES]
    return Funnel(
        stages=[
            FunnelStage(stage=stage, artifacts=count, drop_off=1 - count / before if before else 0.0)
            for stage, before, count in zip(STAGES, [0, *counts], counts, strict=False)
        ]
    )


def confidence(client: Client, parameters: RangeParameters, now_ms: int) -> Confidence:
    """How sure transcriptions and claims were."""
    rows = client.query(statement("confidence"), parameters=span(parameters, now_ms)).result_rows
    found = {number: (transcription, claims) for number, transcription, claims in rows}
    return Confidence(bins=[_bin(number, *found.get(number, (0, 0))) for number in range(BINS)])


def channels(client: Client, parameters: RangeParameters, now_ms: int) -> Channels:
    """What was received, completed and failed in the range, by the channel that the artifact came through."""
    rows = client.query(statement("channels"), parameters=span(parameters, now_ms)).result_rows
    return Channels(
        channels=[
            Channel(
                source_channel=name or UNSET, count=received, artifacts_completed=completed, artifacts_failed=failed
            )
            for name, received, completed, failed in rows
        ]
    )


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
