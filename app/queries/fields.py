"""Types of parameters that several questions share."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from app.domain.event_types import ArtifactStatus, EventType, Stage

MAX_EVENTS: Final = 500
MAX_ARTIFACTS: Final = 200
MAX_ORGANIZATIONS: Final = 20_000
# ClickHouse's DateTime64 ends here.
LATEST_MS: Final = 4_102_444_800_000
TIME: Final = "time"
START: Final = "start"
CURSOR: Final = "cursor"
KIND: Final = "kind"
"""Key in `Meta.extra` of fields whose text needs more than its type says: `time`, `start` of a range, and `cursor`."""

PeriodType = Literal["hourly", "daily"]
PeriodTypeField = Annotated[PeriodType, Meta(description="Snapshots of UTC hours or of UTC days.")]
OrganizationField = Annotated[str, Meta(min_length=1, description="Only this organisation.")]
ArtifactField = Annotated[str, Meta(min_length=1, description="The artifact's id.")]
StageField = Annotated[Stage, Meta(description="Only this stage of the pipeline.")]
StatusField = Annotated[ArtifactStatus, Meta(description="Only artifacts in this status.")]
EventTypeField = Annotated[EventType, Meta(description="Only events of this type; may be given several times.")]
ChannelField = Annotated[str, Meta(min_length=1, description="Only artifacts that came through this channel.")]
SearchField = Annotated[str, Meta(min_length=1, description="Only artifacts whose id contains this text.")]
ErrorsOnlyField = Annotated[bool, Meta(description="true: only failures and openings of the circuit breaker.")]


def _time(description: str, kind: str = TIME) -> Meta:
    form = "ISO 8601, UTC if without offset, or epoch milliseconds"
    return Meta(ge=0, le=LATEST_MS, description=f"{description} ({form}).", extra={KIND: kind})


MomentField = Annotated[int, _time("A time")]
StartField = Annotated[int, _time("Earliest time, included", START)]
EndField = Annotated[int, _time("Latest time, included")]
SinceField = Annotated[int, _time("Only what failed at this time or later", START)]
EventLimitField = Annotated[int, Meta(ge=1, le=MAX_EVENTS, description="Most rows of one answer.")]
ArtifactLimitField = Annotated[int, Meta(ge=1, le=MAX_ARTIFACTS, description="Most rows of one answer.")]
OrganizationLimitField = Annotated[int, Meta(ge=1, le=MAX_ORGANIZATIONS, description="Most rows of the answer.")]
CursorField = Annotated[
    str,
    Meta(
        min_length=1, description="continueCursor of the page before; only for the same filters.", extra={KIND: CURSOR}
    ),
]


class Parameters(msgspec.Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of every question."""

    organization_id: OrganizationField | None = None


class RangeParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of a question about a stretch of time."""

    start_time: StartField | None = None
    end_time: EndField | None = None


class Answer(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """An answer, or a part of one: times are epoch milliseconds, absent values are left out and never null."""
