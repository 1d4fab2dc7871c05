"""From a caller's mapping to the record that goes into the log."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import orjson

from app.runtime.settings import MIB

FALLBACK_KEY = b"pipeline"
# The topic takes 16 MiB; a little more is let through, so that the broker is the one that judges.
MAX_RECORD_BYTES = 16 * MIB + MIB // 4
# What a record costs beyond its key and value: the object, its place in a queue, Kafka's framing.
RECORD_OVERHEAD_BYTES = 200


class DropReason(StrEnum):
    """Why an event was not delivered."""

    NOT_A_MAPPING = "not_a_mapping"
    NOT_SERIALIZABLE = "not_serializable"
    TOO_LARGE = "too_large"
    BUFFER_FULL = "buffer_full"
    CLOSED = "closed"
    REFUSED_BY_BROKER = "refused_by_broker"
    NOT_DELIVERED = "not_delivered"


class Unpublishable(Exception):
    """The event cannot become a record."""

    def __init__(self, reason: DropReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(slots=True)
class Record:
    """One record on its way; `number` is its place in the order of publishing."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None
    event_id: str = ""
    number: int = 0
    alone: bool = False

    @property
    def size_bytes(self) -> int:
        """What the record costs in memory, about."""
        return len(self.key or b"") + len(self.value or b"") + RECORD_OVERHEAD_BYTES


def encode_event(event: object, now_ms: int) -> Record:
    """The record of an event, with eventId and timestamp minted where they are absent or null.

    The caller's mapping stays as it is. Raises Unpublishable, or whatever a foreign mapping raises when it is read.
    """
    if not isinstance(event, Mapping):
        raise Unpublishable(DropReason.NOT_A_MAPPING, f"an event is a mapping, not {type(event).__name__}")
    fields = dict(event)
    if fields.get("eventId") is None:
        fields["eventId"] = str(uuid.uuid4())
    if fields.get("timestamp") is None:
        fields["timestamp"] = now_ms
    try:
        value = orjson.dumps(fields, default=_plain)
    except TypeError as error:
        raise Unpublishable(DropReason.NOT_SERIALIZABLE, str(error)) from error
    if len(value) > MAX_RECORD_BYTES:
        raise Unpublishable(DropReason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_RECORD_BYTES}")
    return Record(key=record_key(fields), value=value, event_id=str(fields["eventId"]))


def record_key(fields: Mapping[str, object]) -> bytes:
    """The artifactId, else the organizationId, else a constant: an artifact's events share a partition, in order."""
    for name in ("artifactId", "organizationId"):
        text = fields.get(name)
        if isinstance(text, str) and text:
            return text.encode()
    return FALLBACK_KEY


def _plain(value: object) -> object:
    """A nested mapping as dict, sets and frozen sets as lists; TypeError for the rest."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
