"""Reads the log again into the store: the rows of the live path, by its own rules, with a consumer group of its own.

Counters, dead letters and the workers' commits are not touched. Rows that are there already come again as they are and
are collapsed by the store.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.ingest_events import Sieve
from app.domain.events import AgeLimits
from app.domain.windows import HOUR_MS
from app.runtime.broker import application_id
from app.runtime.clock import Clock
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.kafka_errors import broker_error
from app.runtime.log_reader import LogReader, Span, log_reader
from app.runtime.settings import Settings
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from sinks.base import RefusedRow, Sink
from sinks.writer import BatchingWriter
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen

COMMIT_SECONDS = 1.0
FULL_SECONDS = 0.05
DRAIN_SECONDS = 60.0

Progress = Callable[[str, int, int], None]
"""Told what is read, how many offsets of it are done, and how many there are."""

log = structlog.get_logger(__name__)


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


@dataclass(slots=True)
class Result:
    """What became of the records that this run has read; `resumed` offsets were done by an earlier one."""

    records: int = 0
    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    refused: list[tuple[int, int]] = field(default_factory=list)
    resumed: int = 0


class Replay:
    """One run; `result` is right at any moment of it, also after it was cancelled."""

    def __init__(self, settings: Settings, question: Question, sink: Sink, clock: Clock, progress: Progress) -> None:
        self._settings, self._question, self._progress = settings, question, progress
        ingest = settings.ingest
        limits = AgeLimits(ingest.max_age_hours * HOUR_MS, ingest.max_ahead_seconds * 1000)
        self._horizon_ms = ingest.duplicates_hours * HOUR_MS + limits.max_ahead_ms
        self._sieve = Sieve(limits, Telemetry())
        self._topic = Topics(settings.kafka.topic_prefix).events
        self._writer = BatchingWriter(sink, settings.clickhouse, clock, self._stored, topic=self._topic)
        self._stored_to: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self.result = Result()

    async def run(self, *, restart: bool = False) -> None:
        """Everything asked for is stored, or in `result.refused`; goes on where the same question stopped.

        Cancelled, it keeps what is stored so far. Raises BrokerUnavailable, VoicemonError; waits for the store.
        """
        group = AIOKafkaConsumer(
            **client_options(self._settings.kafka),
            client_id="voicemon-replay",
            group_id=self._question.group(self._settings),
            enable_auto_commit=False,
        )
        try:
            await group.start()
            async with log_reader(self._settings.kafka) as reader:
                await self._work(reader, group, restart=restart)
        except KafkaError as error:
            raise await broker_error(self._settings.kafka, error) from error
        finally:
            await group.stop()

    async def _work(self, reader: LogReader, group: AIOKafkaConsumer, *, restart: bool) -> None:
        spans = await self._spans(reader)
        group.assign([span.tp for span in spans])
        tasks = [asyncio.create_task(self._writer.run()), asyncio.create_task(self._keep_committing(group))]
        reading = asyncio.create_task(self._read_all(reader, group, spans, restart=restart))
        try:
            await asyncio.wait([*tasks, reading], return_when=asyncio.FIRST_COMPLETED)
            for task in (*tasks, reading):
                if task.done():
                    task.result()
        finally:
            for task in (*tasks, reading):
                task.cancel()
            await asyncio.gather(*tasks, reading, return_exceptions=True)
            with suppress(KafkaError):
                await self._commit(group)

    async def _read_all(
        self, reader: LogReader, group: AIOKafkaConsumer, spans: Sequence[Span], *, restart: bool
    ) -> None:
        for span in spans:
            done = None if restart else await group.committed(span.tp)
            start = max(span.start, min(done or 0, span.end))
            self.result.resumed += start - span.start
            if start < span.end:
                warm = await self._warm_start(reader, span, start)
                await self._read(reader, Span(span.tp, span.begin, warm, span.end), start)
        while not await self._writer.drain(DRAIN_SECONDS):
            log.warning("still waiting for ClickHouse", reason=self._writer.blocked_reason)

    async def _spans(self, reader: LogReader) -> list[Span]:
        asked = self._question
        spans = await reader.spans(self._topic, asked.from_ms)
        if asked.to_ms is not None:
            ends = {span.tp: span.start for span in await reader.spans(self._topic, asked.to_ms)}
            spans = [Span(span.tp, span.begin, span.start, ends[span.tp]) for span in spans]
        if asked.partition is None:
            return spans
        chosen = [span for span in spans if span.tp.partition == asked.partition]
        if not chosen:
            raise VoicemonError(f"{self._topic} has no partition {asked.partition}: it has 0 to {len(spans) - 1}")
        return [self._cut(span) for span in chosen]

    def _cut(self, span: Span) -> Span:
        first, last = self._question.from_offset, self._question.to_offset
        start = span.start if first is None else max(span.start, first)
        end = span.end if last is None else min(span.end, last + 1)
        if start >= end:
            raise VoicemonError(
                f"partition {span.tp.partition} has no such records: its offsets are {span.begin} to {span.end - 1}"
            )
        return Span(span.tp, span.begin, start, end)

    async def _warm_start(self, reader: LogReader, span: Span, start: int) -> int:
        """The first offset whose id could make a record from `start` on a duplicate."""
        async for records in reader.batches(Span(span.tp, span.begin, start, span.end)):
            before = await reader.spans(self._topic, records[0].timestamp - self._horizon_ms)
            return min(start, next(at.start for at in before if at.tp == span.tp))
        return start

    async def _read(self, reader: LogReader, span: Span, start: int) -> None:
        partition = span.tp.partition
        seen = PartitionSeen()
        counters = PartitionCounters(partition, self._settings.ingest.window_retention_hours * HOUR_MS)
        async for records in reader.batches(span):
            while self._writer.is_full:  # noqa: ASYNC110  (the writer tells nobody when it has room)
                await asyncio.sleep(FULL_SECONDS)
            self._take(partition, [record for record in records if record.offset < start], counters, seen, store=False)
            self._take(partition, [record for record in records if record.offset >= start], counters, seen, store=True)
            await asyncio.sleep(0)
            self._progress(f"partition {partition}", records[-1].offset + 1 - span.start, span.end - span.start)

    def _take(
        self,
        partition: int,
        records: Sequence[ConsumerRecord],
        counters: PartitionCounters,
        seen: PartitionSeen,
        *,
        store: bool,
    ) -> None:
        if not records:
            return
        found = self._sieve.sift(partition, records, counters, seen)
        counters.advance(found.watermark_ms)
        append_ms = max(record.timestamp for record in records)
        seen.remember(found.keys, found.offsets, append_ms)
        seen.trim(append_ms - self._horizon_ms)
        if not store:
            return
        self.result.records += len(records)
        self.result.duplicates += found.duplicates
        self.result.dead_letters += len(found.letters)
        size = sum(len(row.line) for row in found.rows)
        self._writer.add(partition, records[0].offset, records[-1].offset, found.rows, size)
        self.result.rows += len(found.rows)

    async def _stored(self, partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        self._stored_to[partition] = last_offset + 1
        self.result.refused += [(partition, row.offset) for row in refused]

    async def _keep_committing(self, group: AIOKafkaConsumer) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            try:
                await self._commit(group)
            except KafkaError as error:
                log.warning("progress is not kept, trying again", reason=repr(error))

    async def _commit(self, group: AIOKafkaConsumer) -> None:
        new: Mapping[int, int] = {
            partition: offset
            for partition, offset in self._stored_to.items()
            if self._committed.get(partition) != offset
        }
        if new:
            await group.commit({TopicPartition(self._topic, partition): offset for partition, offset in new.items()})
            self._committed.update(new)
