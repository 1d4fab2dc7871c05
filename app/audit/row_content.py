"""Content of an event, the same from the log and from the store, as a hash."""

import hashlib
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from app.domain.event_model import Metadata, PipelineEvent, event_key

TEXTS = (
    "voiceNoteId", "artifactId", "organizationId", "coachUserId", "pipelineStage", "previousStatus", "newStatus",
    "errorMessage", "errorCode",
)  # fmt: skip
NUMBERS = ("stageStartedAt", "stageCompletedAt", "durationMs")
METADATA = tuple(field.encode_name for field in msgspec.structs.fields(Metadata))
_TEXT_ATTRIBUTES = tuple(
    field.name for name in TEXTS for field in msgspec.structs.fields(PipelineEvent) if field.encode_name == name
)
_NUMBER_ATTRIBUTES = tuple(
    field.name for name in NUMBERS for field in msgspec.structs.fields(PipelineEvent) if field.encode_name == name
)
_METADATA_ATTRIBUTES = tuple(field.name for field in msgspec.structs.fields(Metadata))
_FLOATS = frozenset({"transcriptDuration", "confidenceScore", "aiCost"})
COLUMNS = (
    "eventId", "eventType", "timestamp", "source_partition", "source_offset", "append_time_ms", *TEXTS, *NUMBERS,
    *(f"metadata.{name}" for name in METADATA),
)  # fmt: skip
KEY_BYTES, HASH_BYTES = 24, 16


class Content(NamedTuple):
    """One event at one place of the log.

    `key` is what the store tells rows apart by: id, organisation, type and time. `digest` covers every column that the
    log gives.
    """

    key: bytes
    digest: bytes
    timestamp_ms: int
    append_time_ms: int
    partition: int
    offset: int

    @property
    def order(self) -> tuple[int, int, int]:
        """Of copies under one key the store keeps the one whose order is least."""
        return (self.append_time_ms, self.partition, self.offset)

    @property
    def event_id(self) -> str:
        """The event's id."""
        return str(uuid.UUID(bytes=self.key[:16]))


def content_of_event(event: PipelineEvent, partition: int, offset: int, append_time_ms: int) -> Content:
    """What the store should hold of an accepted event."""
    metadata = event.metadata or Metadata()
    texts = [getattr(event, name) or "" for name in _TEXT_ATTRIBUTES]
    numbers = [getattr(event, name) for name in _NUMBER_ATTRIBUTES]
    figures = [getattr(metadata, name) for name in _METADATA_ATTRIBUTES]
    place = (partition, offset, append_time_ms)
    return _content(event_key(event), event.event_type, event.timestamp, place, [*texts, *numbers, *figures])


def content_of_row(row: Sequence[object]) -> Content:
    """What the store holds, from a row of `COLUMNS`."""
    event_id, event_type, timestamp, partition, offset, append_time_ms, *rest = row
    place = (int(str(partition)), int(str(offset)), int(str(append_time_ms)))
    return _content(uuid.UUID(str(event_id)).bytes, str(event_type), int(str(timestamp)), place, rest)


def _content(
    event_id: bytes, event_type: str, timestamp_ms: int, place: tuple[int, int, int], rest: list[object]
) -> Content:
    partition, offset, append_time_ms = place
    figures = rest[-len(METADATA) :]
    settled = [
        float(str(value)) if name in _FLOATS and value is not None else value
        for name, value in zip(METADATA, figures, strict=True)
    ]
    organization_id = rest[TEXTS.index("organizationId")]
    key = hashlib.blake2b(msgspec.json.encode([organization_id, event_type, timestamp_ms]), digest_size=KEY_BYTES - 16)
    body = [event_type, timestamp_ms, *place, *rest[: -len(METADATA)], *settled]
    digest = hashlib.blake2b(msgspec.json.encode(body), digest_size=HASH_BYTES).digest()
    return Content(event_id + key.digest(), digest, timestamp_ms, append_time_ms, partition, offset)
