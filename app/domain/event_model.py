"""The typed event and its canonical bytes."""

from binascii import unhexlify
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from app.domain.event_types import STAGE_OF_TYPE, EventType, Stage
from app.domain.windows import HOUR_MS, time_window

MAX_COUNT: Final = 2**31 - 1
MAX_STAGE_TIME_MS: Final = 2**53 - 1
MAX_DURATION_MS: Final = 48 * HOUR_MS
# A duration that is none is kept to say so; that far it fits every reader's whole numbers.
LONGEST_KEPT_MS: Final = 2**53 - 1

_Text = Annotated[str, Meta(min_length=1)]
_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
_Attempt = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
_StageTime = Annotated[int, Meta(ge=0, le=MAX_STAGE_TIME_MS)]
_Duration = Annotated[int, Meta(ge=0, le=MAX_DURATION_MS)]
_Amount = Annotated[float, Meta(ge=0)]
_Share = Annotated[float, Meta(ge=0, le=1)]


# Unknown keys are refused although the domain ignores them: msgspec skips their values without looking for invalid
# UTF-8 in them, and those of metadata must be counted. Such events take the lenient way.
class Metadata(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Figures of one event; None is unknown, not 0."""

    source_channel: _Text | None = None
    transcript_duration: _Amount | None = None
    transcript_word_count: _Count | None = None
    confidence_score: _Share | None = None
    claim_count: _Count | None = None
    entity_count: _Count | None = None
    draft_count: _Count | None = None
    auto_resolved_count: _Count | None = None
    disambiguation_count: _Count | None = None
    ai_model: _Text | None = None
    ai_cost: _Amount | None = None
    retry_attempt: _Attempt | None = None


class PipelineEvent(
    msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, forbid_unknown_fields=True, gc=False
):
    """One valid event; treat it as immutable once decoded.

    `event_id` is lower case, times are epoch milliseconds, None is absent. `duration_ms` is what the event itself
    tells: the difference of both stage times, else the supplied duration. A supplied one below 0 or above
    MAX_DURATION_MS is no duration, yet it stays here: only an event that tells nothing is paired with the start of its
    stage, which is the store's matter. The constructor checks nothing, `decode_event` does.
    """

    event_id: str
    event_type: EventType
    timestamp: int
    artifact_id: _Text | None = None
    voice_note_id: _Text | None = None
    organization_id: _Text | None = None
    coach_user_id: _Text | None = None
    pipeline_stage: Stage | None = None
    stage_started_at: _StageTime | None = None
    stage_completed_at: _StageTime | None = None
    duration_ms: _Duration | None = None
    previous_status: _Text | None = None
    new_status: _Text | None = None
    error_message: _Text | None = None
    error_code: _Text | None = None
    metadata: Metadata | None = None

    @property
    def time_window(self) -> str:
        """UTC hour of the timestamp as `YYYY-MM-DD-HH`."""
        return time_window(self.timestamp)


class AgeLimits(msgspec.Struct, frozen=True):
    """How far a timestamp may lie before and after its append time, both inclusive."""

    max_age_ms: int = 48 * HOUR_MS
    max_ahead_ms: int = 300_000


class Anomalies(msgspec.Struct):
    """Counts of oddities in accepted events.

    Decoding adds to it, and never for a refused record. `any_found` turns true with the first, so that a caller who
    must leave out duplicates passes one instance for every record and looks at one attribute:
    `if found.any_found: (duplicate or total.add(found)); found.clear()`.
    """

    unusable_values: int = 0
    unknown_metadata_keys: int = 0
    stage_mismatches: int = 0
    bad_durations: int = 0
    any_found: bool = False

    def add(self, other: "Anomalies") -> None:
        """Add the counts of another instance."""
        self.unusable_values += other.unusable_values
        self.unknown_metadata_keys += other.unknown_metadata_keys
        self.stage_mismatches += other.stage_mismatches
        self.bad_durations += other.bad_durations
        self.any_found = self.any_found or other.any_found

    def clear(self) -> None:
        """Set everything to zero."""
        self.unusable_values = self.unknown_metadata_keys = self.stage_mismatches = self.bad_durations = 0
        self.any_found = False


def settle_derived(event: PipelineEvent, anomalies: Anomalies) -> None:
    """Set the stage that the type demands and the duration that the event itself gives; count what was overruled."""
    stage = STAGE_OF_TYPE[event.event_type]
    if stage is not None and event.pipeline_stage != stage:
        if event.pipeline_stage is not None:
            anomalies.stage_mismatches += 1
            anomalies.any_found = True
        event.pipeline_stage = stage
    _settle_duration(event, anomalies)


def _settle_duration(event: PipelineEvent, anomalies: Anomalies) -> None:
    has_both_times = event.stage_started_at is not None and event.stage_completed_at is not None
    duration_ms = event.stage_completed_at - event.stage_started_at if has_both_times else event.duration_ms  # type: ignore[operator]
    if duration_ms is None or 0 <= duration_ms <= MAX_DURATION_MS:
        event.duration_ms = duration_ms
        return
    anomalies.bad_durations += 1
    anomalies.any_found = True
    event.duration_ms = None if has_both_times else min(max(duration_ms, -LONGEST_KEPT_MS), LONGEST_KEPT_MS)


_ENCODER: Final = msgspec.json.Encoder()


def encode_event(event: PipelineEvent) -> bytes:
    """Canonical JSON of the event: the domain's keys in a fixed order, absent ones left out; same event, same bytes."""
    return _ENCODER.encode(event)


def event_key(event: PipelineEvent) -> bytes:
    """All 128 bits of the event's id, as 16 bytes.

    Raises ValueError if the id is not hexadecimal, which no decoded event's is.
    """
    return unhexlify(event.event_id.replace("-", ""))
