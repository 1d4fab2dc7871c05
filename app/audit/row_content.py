"""Content of an event, the same from the log and from the store, as a hash."""

import hashlib
import uuid
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from app.domain.event_model import Metadata, PipelineEvent, event_key

TEXTS = (
    "voiceNoteId", "artifactId", "organizationId", "coachUserId", "pipelineStage", "previousStatus", "newStatus",
    "errorMessage", "errorCode",
)  # fmt: skip
NUMBERS = ("stageStartedAt", "stageCompletedAt", "durationMs")
COLUMNS = (
    "UUIDStringToNum(toString(eventId))", "eventType", "timestamp", "source_partition", "source_offset",
    "append_time_ms", *TEXTS, *NUMBERS,
    *(f"metadata.{field.encode_name}" for field in msgspec.structs.fields(Metadata)),
)  # fmt: skip
KEY_BYTES, HASH_BYTES = 24, 16
_NAMES = {field.encode_name: field.name for field in msgspec.structs.fields(PipelineEvent)}
_texts_of = attrgetter(*(_NAMES[name] for name in TEXTS))
_numbers_of = attrgetter(*(_NAMES[name] for name in NUMBERS))
_ORGANIZATION = COLUMNS.index("organizationId")
_UNKNOWN = Metadata()
_encode = msgspec.msgpack.Encoder().encode


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
    texts = [text or "" for text in _texts_of(event)]
    figures = msgspec.structs.astuple(event.metadata or _UNKNOWN)
    place = (event.event_type, event.timestamp, partition, offset, append_time_ms)
    return content_of_row((event_key(event), *place, *texts, *_numbers_of(event), *figures))


def content_of_row(row: Sequence[Any]) -> Content:
    """What the store holds, from a row of `COLUMNS`."""
    event_id, event_type, timestamp_ms, partition, offset, append_time_ms = row[:6]
    told_apart = _encode((row[_ORGANIZATION], event_type, timestamp_ms))
    key = event_id + hashlib.blake2b(told_apart, digest_size=KEY_BYTES - 16).digest()
    digest = hashlib.blake2b(_encode(row[1:]), digest_size=HASH_BYTES).digest()
    return Content(key, digest, timestamp_ms, append_time_ms, partition, offset)
