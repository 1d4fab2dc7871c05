"""Dead letters as they lie in their topic, one entry for each refused record however often it was refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from app.domain.rejects import RejectReason
from sinks.dead_letter import original_headers

RETRIED_FROM = "voicemon-retried-from"
"""Header of a record that was sent again: partition and offset of its dead letter, as `2-1077`."""


class Place(NamedTuple):
    """Partition and offset of a record."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter; `source` is where the refused record stood, `retried_from` its dead letter before that one."""

    place: Place
    source: Place
    append_time_ms: int
    reason: str
    detail: str
    is_truncated: bool
    retried_from: str | None
    record: ConsumerRecord

    @property
    def identity(self) -> tuple[Place, int]:
        """Equal for the dead letters of one record; a log that was created anew has other append times."""
        return self.source, self.append_time_ms

    @property
    def is_stored_only_by_replay(self) -> bool:
        """True if the record was accepted and counted, and only its row refused: sent again it would be a duplicate."""
        return self.reason == RejectReason.REFUSED_BY_STORE.value

    @property
    def fields(self) -> Mapping[str, Any]:
        """The value's members, empty if it is no JSON object."""
        try:
            found = msgspec.json.decode(self.record.value or b"")
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def event_id(self) -> str | None:
        """The value's eventId in lower case, if it has a text there."""
        found = self.fields.get("eventId")
        return found.lower() if isinstance(found, str) else None


def letters_of(records: Sequence[ConsumerRecord], events_topic: str) -> Iterator[Letter]:
    """The dead letters of records of `events_topic`; what others wrote into the topic is left out."""
    for record in records:
        letter = _letter(record, events_topic)
        if letter is not None:
            yield letter


def retried_from(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """The dead letter that a record was sent again from, None if it was not."""
    found = [value for name, value in headers if name == RETRIED_FROM]
    return (found[-1] or b"").decode(errors="replace") if found else None


def _letter(record: ConsumerRecord, events_topic: str) -> Letter | None:
    ours = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    numbers = [ours.get(name, "") for name in ("source-partition", "source-offset", "source-append-time-ms")]
    if ours.get("source-topic") != events_topic or not all(number.isdecimal() for number in numbers):
        return None
    partition, offset, append_time_ms = map(int, numbers)
    return Letter(
        place=Place(record.partition, record.offset),
        source=Place(partition, offset),
        append_time_ms=append_time_ms,
        reason=ours.get("reason", ""),
        detail=ours.get("detail", ""),
        is_truncated="truncated" in ours,
        retried_from=retried_from(original_headers(record.headers)),
        record=record,
    )
