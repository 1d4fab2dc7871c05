"""Dead letters as an operator sees them: one for each refused record, with a preview that shows nobody's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from aiokafka import ConsumerRecord

from app.runtime.log_reader import LogReader
from app.runtime.settings import KafkaSettings
from app.runtime.topics import Topics

RETRIED_FROM = "retried-from"
"""Header of a record that was sent again: partition and offset of the refused record."""
RETRY_DONE = "retry-done"
"""Header of a note in the dead-letter topic: partition and offset of the refused record that was sent again."""
SHOWN_KEYS = frozenset({"eventId", "eventType", "pipelineStage", "timestamp", "previousStatus", "newStatus"})
PREVIEW_CHARACTERS = 160


class Source(NamedTuple):
    """Place of a refused record in `voice-events`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"


@dataclass(slots=True)
class Letter:
    """The dead letter of a refused record; `copies` says how often it is there, after crashes more than once.

    `at_ms` is when the record was appended, `place` the letter's partition and offset in the dead-letter topic.
    `is_retry` says that the refused record was itself one that was sent again, `is_retried` that it has been sent
    again since.
    """

    source: Source
    reason: str
    detail: str
    at_ms: int
    place: tuple[int, int]
    event_id: str
    event_ms: int | None
    preview: str
    is_cut: bool
    is_retry: bool
    is_retried: bool = False
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Filters:
    """Which letters are wanted; what is None or empty asks for all. Times are epoch ms, `to_ms` is excluded."""

    reasons: Sequence[str] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    partition: int | None = None
    offsets: tuple[int | None, int | None] = (None, None)
    event_id: str | None = None

    def hold(self, letter: Letter) -> bool:
        """True if the letter is wanted."""
        first, last = self.offsets
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.from_ms is None or letter.at_ms >= self.from_ms)
            and (self.to_ms is None or letter.at_ms < self.to_ms)
            and self.partition in (None, letter.source.partition)
            and (first is None or letter.source.offset >= first)
            and (last is None or letter.source.offset <= last)
            and self.event_id in (None, letter.event_id)
        )


@dataclass(slots=True)
class _Found:
    letters: dict[Source, Letter] = field(default_factory=dict)
    retried: set[str] = field(default_factory=set)


async def find_letters(reader: LogReader, settings: KafkaSettings, filters: Filters) -> list[Letter]:
    """Wanted letters in the order in which their records were appended, those of the same record taken together.

    Raises what the reader raises.
    """
    found = _Found()
    topics = Topics(settings.topic_prefix)
    for span in await reader.spans(topics.dead_letters):
        async for records in reader.batches(span):
            for record in records:
                _take(record, topics.events, found)
    for letter in found.letters.values():
        letter.is_retried = str(letter.source) in found.retried
    wanted = [letter for letter in found.letters.values() if filters.hold(letter)]
    return sorted(wanted, key=lambda letter: (letter.at_ms, letter.source))


def _take(record: ConsumerRecord, events_topic: str, found: _Found) -> None:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    if RETRY_DONE in headers:
        found.retried.add(headers[RETRY_DONE])
    if headers.get("source-topic") != events_topic:
        return
    source = Source(int(headers["source-partition"]), int(headers["source-offset"]))
    if source in found.letters:
        found.letters[source].copies += 1
        return
    event = _event(record.value)
    event_ms = event.get("timestamp")
    found.letters[source] = Letter(
        source=source,
        reason=headers["reason"],
        detail=headers["detail"],
        at_ms=int(headers["source-append-time-ms"]),
        place=(record.partition, record.offset),
        event_id=str(event.get("eventId", "")),
        event_ms=event_ms if isinstance(event_ms, int) and not isinstance(event_ms, bool) else None,
        preview=_preview(record.value, event),
        is_cut="truncated" in headers,
        is_retry=RETRIED_FROM in headers,
    )


def _event(value: bytes | None) -> Mapping[str, Any]:
    try:
        event = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def _preview(value: bytes | None, event: Mapping[str, Any]) -> str:
    """The value's keys, and the values of those that name nobody; other texts only by their length."""
    if value is None:
        return "no value"
    if not event:
        return f"{len(value)} bytes that are no JSON object"
    shown = {str(key): item if key in SHOWN_KEYS else _masked(item) for key, item in event.items()}
    text = orjson.dumps(shown, default=str).decode()
    return text if len(text) <= PREVIEW_CHARACTERS else text[: PREVIEW_CHARACTERS - 1] + "…"


def _masked(item: Any) -> Any:
    if isinstance(item, str):
        return f"<{len(item)} characters>"
    if isinstance(item, dict):
        return {str(key): _masked(value) for key, value in item.items()}
    if isinstance(item, list):
        return f"<list of {len(item)}>"
    return item
