"""Reads the log again into the store: the rows of the live path, by its own rules, with a consumer group of its own.

Counters and the workers' commits are not touched. Rows that are there already come again as they are and are collapsed
by the store. Records that are no events have their dead letters from the worker; a row that the store refuses gets one
here, as it does there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.ingest_events import Sieve
from app.domain.events import AgeLimits
from app.domain.rejects import RejectReason
from app.domain.windows import HOUR_MS
from app.replay.question import Cut, Question, cuts_of, spans_of
from app.runtime.broker import DEAD_LETTER_ALLOWANCE, state_producer
from app.runtime.clock import Clock
from app.runtime.kafka_access import client_options
from app.runtime.kafka_errors import broker_error
from app.runtime.log_position import read_records
from app.runtime.log_reader import LogReader, Span, log_reader
from app.runtime.settings import Settings
from app.runtime.state_producer import StateProducer
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from sinks.base import RefusedRow, Sink
from sinks.dead_letter import DeadLetterWriter, letter_of
from sinks.writer import BatchingWriter
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen

COMMIT_SECONDS = 1.0
FULL_SECONDS = 0.05
DRAIN_SECONDS = 60.0

Progress = Callable[[str, int, int], None]
"""Told what is read, how many offsets of it are done, and how many there are."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Result:
    """What became of the records that this run has read; `resumed` offsets were done by an earlier one.

    `oldest_ms` is when the first of them in time was appended. `cut` are partitions that no longer have all that was
    asked for.
    """

    records: int = 0
    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    refused: list[tuple[int, int]] = field(default_factory=list)
    resumed: int = 0
    oldest_ms: int | None = None
    cut: list[Cut] = field(default_factory=list)


class Replay:
    """One run; `result` is right at any moment of it, also after it was cancelled."""

    def __init__(self, settings: Settings, question: Question, sink: Sink, clock: Clock, progress: Progress) -> None:
        self._settings, self._question, self._progress = settings, question, progress
        ingest = settings.ingest
        limits = AgeLimits(ingest.max_age_hours * HOUR_MS, ingest.max_ahead_seconds * 1000)
        self._horizon_ms = ingest.duplicates_hours * HOUR_MS + limits.max_ahead_ms
        topics = Topics(settings.kafka.topic_prefix)
        self._topic = topics.events
        self._sieve = Sieve(self._topic, limits, Telemetry())
        self._producer = StateProducer(lambda: state_producer(settings.kafka))
        limit = settings.kafka.max_message_bytes + DEAD_LETTER_ALLOWANCE
        self._letters = DeadLetterWriter(self._producer, topics.dead_letters, limit_bytes=limit)
        self._writer = BatchingWriter(sink, settings.clickhouse, clock, self._stored, topic=self._topic)
        self._stored_to: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self.result = Result()

    async def run(self, *, restart: bool = False) -> None:
        """Everything asked for is stored, or in `result.refused`; goes on where the same question stopped.

        Cancelled, it keeps what is stored so far. Raises BrokerUnavailable, DeadLetterUndelivered, VoicemonError; waits
        for the store.
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
            await self._producer.stop()
            await group.stop()

    async def _work(self, reader: LogReader, group: AIOKafkaConsumer, *, restart: bool) -> None:
        spans = await spans_of(reader, self._topic, self._question)
        self.result.cut = [cut async for cut in cuts_of(reader, spans, self._question)]
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
        append_times = [record.timestamp for record in records]
        append_ms = max(append_times)
        seen.remember(found.keys, found.offsets, append_ms)
        seen.trim(append_ms - self._horizon_ms)
        if not store:
            return
        self.result.records += len(records)
        self.result.oldest_ms = min([*append_times, self.result.oldest_ms or append_ms])
        self.result.duplicates += found.duplicates
        self.result.dead_letters += len(found.letters)
        size = sum(len(row.line) for row in found.rows)
        self._writer.add(partition, records[0].offset, records[-1].offset, found.rows, size)
        self.result.rows += len(found.rows)

    async def _stored(self, partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        if refused:
            records = await read_records(self._settings.kafka, partition, [row.offset for row in refused])
            reason = RejectReason.REFUSED_BY_STORE.value
            await self._letters.write(
                [letter_of(self._topic, partition, records[row.offset], reason, row.message) for row in refused]
            )
            self.result.refused += [(partition, row.offset) for row in refused]
        self._stored_to[partition] = last_offset + 1

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
