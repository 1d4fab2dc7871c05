"""What is read again, as spans of the log."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from app.runtime.broker import application_id
from app.runtime.errors import VoicemonError
from app.runtime.log_reader import LogReader, Span
from app.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Question:
    """What is read again: records by append time (`to_ms` excluded), or offsets of one partition, both inclusive."""

    from_ms: int | None = None
    to_ms: int | None = None
    partition: int | None = None
    from_offset: int | None = None
    to_offset: int | None = None

    def group(self, settings: Settings) -> str:
        """The consumer group of this question: the same one the next time it is asked."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        return f"{application_id(settings.kafka)}-replay-{digest}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A partition whose log begins after the start of the question: its first offset, and when that was appended."""

    partition: int
    first_offset: int
    append_time_ms: int


async def spans_of(reader: LogReader, topic: str, asked: Question) -> list[Span]:
    """The spans of the question, as far as the log has them. Raises VoicemonError if there is nothing of the kind."""
    spans = await reader.spans(topic, asked.from_ms)
    if asked.to_ms is not None:
        ends = {span.tp: span.start for span in await reader.spans(topic, asked.to_ms)}
        spans = [Span(span.tp, span.begin, span.start, ends[span.tp]) for span in spans]
    if asked.partition is None:
        return spans
    chosen = [span for span in spans if span.tp.partition == asked.partition]
    if not chosen:
        raise VoicemonError(f"{topic} has no partition {asked.partition}: it has 0 to {len(spans) - 1}")
    return [_cut_to(asked, span) for span in chosen]


def _cut_to(asked: Question, span: Span) -> Span:
    start = span.start if asked.from_offset is None else max(span.start, asked.from_offset)
    end = span.end if asked.to_offset is None else min(span.end, asked.to_offset + 1)
    if start >= end:
        raise VoicemonError(
            f"partition {span.tp.partition} has no such records: its offsets are {span.begin} to {span.end - 1}"
        )
    return Span(span.tp, span.begin, start, end)


async def cuts_of(reader: LogReader, spans: Sequence[Span], asked: Question) -> AsyncIterator[Cut]:
    """Partitions that have lost records which the question asks for, or may have: the log no longer has them."""
    for span in spans:
        is_asked = asked.from_offset is None or asked.from_offset < span.begin
        if span.begin > 0 and span.start == span.begin and is_asked:
            async for records in reader.batches(Span(span.tp, span.begin, span.begin, span.end)):
                first = records[0]
                yield Cut(span.tp.partition, first.offset, first.timestamp)
                break
