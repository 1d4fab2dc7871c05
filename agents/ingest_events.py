"""The ingest agent: one pass over each range of `voice-events`.

For each record: decode and validate, drop duplicates, count, hand the row to the sink; rejects become dead letters.
A range is complete, and only then may its offsets be committed, when its counts are in the table, its dead letters
are delivered and the store has confirmed its rows; without a store (`ingest.store_rows` off) it has none.
"""

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import structlog

from agents.reject_pause import RejectPause
from app.domain.counters import COUNTERS_OF_TYPE
from app.domain.events import AgeLimits, Anomalies, decode_event, event_key
from app.domain.rejects import RejectedEvent, RejectReason
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.runtime.errors import DeadLetterUndelivered, VoicemonError
from app.runtime.faults import FaultPoint, Faults
from app.runtime.log_identity import record_digest
from app.runtime.ranges import Range
from app.runtime.state_producer import is_passing
from app.runtime.telemetry import Telemetry
from app.runtime.transport import Consumer, RangeApp
from sinks.base import RefusedRow, Row
from sinks.clickhouse.rows import encode_row, head_of
from sinks.dead_letter import DeadLetter, DeadLetterWriter, letter_of
from sinks.writer import BatchingWriter
from tables.counters import CountersTable
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen, SeenEventsTable

SLICE_RECORDS = 2_000
"""Records handled without a break for other tasks, about 10 ms."""

RETRY_SECONDS = 1.0
APPEND_TIME = attrgetter("timestamp")

log = structlog.get_logger(__name__)


class HoleInLog(VoicemonError):
    """A range does not follow the one before it; counting on would lose records, so the worker stops."""


@dataclass(slots=True)
class Slice:
    """What a run of records amounts to."""

    tally: Counter[tuple[str | None, int, tuple[int, ...]]] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    watermark_ms: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Sieve:
    """Decodes records and drops duplicates: the first valid record of an id in its partition is accepted."""

    topic: str
    limits: AgeLimits
    telemetry: Telemetry
    stores_rows: bool = True

    def sift(  # noqa: C901, PLR0912  (the hot loop: calls and attribute look-ups per record are what it costs)
        self, partition: int, records: Sequence[Any], counters: PartitionCounters, seen: PartitionSeen
    ) -> Slice:
        """What the records amount to; ids of accepted ones are in `seen.ids`, nothing else is changed."""
        outcome = Slice(watermark_ms=counters.watermark_ms)
        limits, ids, covered, stores_rows, accepted = self.limits, seen.ids, seen.covered, self.stores_rows, 0
        tally, add_row, int_from = outcome.tally, outcome.rows.append, int.from_bytes
        add_key, add_offset = outcome.keys.append, outcome.offsets.append
        anomalies, total_anomalies = Anomalies(), Anomalies()
        watermark_ms, cutoff_ms = counters.watermark_ms, counters.cutoff_ms
        next_hour_at = watermark_ms - watermark_ms % HOUR_MS + HOUR_MS
        for record in records:
            offset, append_ms = record.offset, record.timestamp
            try:
                event = decode_event(record.value, append_ms, limits, anomalies)
            except RejectedEvent as rejected:
                outcome.letters.append(letter_of(self.topic, partition, record, rejected.reason.value, rejected.detail))
                continue
            key = int_from(event_key(event), "big")
            if offset <= covered:
                if not seen.was_first(offset):
                    outcome.duplicates += 1
                    continue
            elif key in ids:
                outcome.duplicates += 1
                anomalies.clear()
                continue
            else:
                ids.add(key)
                add_key(key)
                add_offset(offset)
                if anomalies.any_found:
                    total_anomalies.add(anomalies)
                    anomalies.clear()
            accepted += 1
            if stores_rows:
                add_row(Row(offset, encode_row(event, partition, offset, append_ms)))
            timestamp = event.timestamp
            if timestamp > watermark_ms:
                watermark_ms = timestamp
                if timestamp >= next_hour_at:
                    cutoff_ms = counters.cutoff_at(timestamp)
                    next_hour_at = timestamp - timestamp % HOUR_MS + HOUR_MS
            indexes = COUNTERS_OF_TYPE[event.event_type]
            if indexes:
                if timestamp < cutoff_ms:
                    outcome.late += 1
                else:
                    tally[event.organization_id, timestamp // MINUTE_MS, indexes] += 1
        outcome.watermark_ms, outcome.accepted = watermark_ms, accepted
        if total_anomalies.any_found:
            self.telemetry.anomalies_found(total_anomalies)
        return outcome


@dataclass(slots=True)
class Ingest:
    """Takes ranges in, in log order of each partition.

    `reread` gives records of a partition at some offsets from the log. `append_ms` is the append time of the last
    record counted of each partition.
    """

    topic: str
    counters: CountersTable
    seen: SeenEventsTable
    writer: BatchingWriter
    dead_letters: DeadLetterWriter
    telemetry: Telemetry
    limits: AgeLimits
    reread: Callable[[int, Sequence[int]], Awaitable[Mapping[int, Any]]]
    faults: Faults
    renew_producer: Callable[[], None]
    pause: RejectPause
    stores_rows: bool = True
    append_ms: dict[int, int] = field(default_factory=dict)
    records_taken: int = 0
    _sieve: Sieve = field(init=False)
    _last_offset: dict[int, tuple[int, int]] = field(default_factory=dict)
    _open: defaultdict[int, deque[tuple[Consumer, Range]]] = field(default_factory=lambda: defaultdict(deque))

    def __post_init__(self) -> None:
        self._sieve = Sieve(self.topic, self.limits, self.telemetry, self.stores_rows)

    async def take(self, new: Range, consumer: Consumer) -> None:
        """Count a range and hand its rows to the sink; a range forgotten meanwhile is left to its next reading.

        Raises HoleInLog if records between this range and the one before it never came.
        """
        if new.epoch != consumer.epoch:
            return
        partition = new.tp.partition
        self._check_continuity(new)
        rows: list[Row] = []
        letters: list[DeadLetter] = []
        for part in self._slices(partition, new.records):
            outcome = self._ingest(partition, part)
            rows += outcome.rows
            letters += outcome.letters
            self.records_taken += len(part)
            await asyncio.sleep(0)
            if new.epoch != consumer.epoch:
                return
        await self._within_limits(new, letters, consumer)
        if new.epoch != consumer.epoch:
            return
        if letters:
            self.faults.reach(FaultPoint.BEFORE_DEAD_LETTERS)
            await self._deliver(letters)
            self.faults.reach(FaultPoint.AFTER_DEAD_LETTERS)
            if new.epoch != consumer.epoch:
                return
        self._open[partition].append((consumer, new))
        new.records = []  # the rows wait for the store, perhaps for hours: not the records as well
        self.writer.add(partition, new.first, new.last, rows, sum(len(row.line) for row in rows))
        self.append_ms[partition] = new.last_append_ms
        consumer.mark_counted(new)

    async def _within_limits(self, new: Range, letters: Sequence[DeadLetter], consumer: Consumer) -> None:
        refused = {letter.offset for letter in letters}
        await self.pause.judge(new.tp.partition, new.records, refused, lambda: new.epoch == consumer.epoch)

    async def stored(self, partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        """The store has confirmed a partition's rows up to an offset; the refused ones become dead letters."""
        self.faults.reach(FaultPoint.BEFORE_SINK_CONFIRMATION)
        waiting = self._open[partition]
        if refused:
            await self._deliver(await self._refused(partition, refused))
            # Unless the partition moved away meanwhile: then the next owner marks them.
            if waiting and waiting[0][1].epoch == waiting[0][0].epoch:
                self._mark(partition, refused)
        while waiting and waiting[0][1].last <= last_offset:
            consumer, done = waiting.popleft()
            consumer.mark_complete(done)
        self.faults.reach(FaultPoint.AFTER_SINK_CONFIRMATION)

    def _mark(self, partition: int, refused: Sequence[RefusedRow]) -> None:
        """Mark the live counts that hold events without a row."""
        counters = self.counters.partition(partition)
        for row in refused:
            head = head_of(row.line)
            counters.mark_refused(head.organization_id, head.timestamp, COUNTERS_OF_TYPE[head.event_type], row.offset)

    async def _deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Dead letters delivered, however long the broker is away; again those that may have arrived already.

        Raises DeadLetterUndelivered where trying again cannot help.
        """
        while True:
            try:
                return await self.dead_letters.write(letters)
            except DeadLetterUndelivered as error:
                if not is_passing(error.__cause__):
                    raise
                self.renew_producer()
                log.warning("Dead letters not delivered, trying again", count=len(letters), reason=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    def forget(self) -> None:
        """Drop what belongs to ranges that will be read again."""
        for partition in list(self._open):
            self.writer.forget(partition)
        self.pause.forget()
        self._open.clear()
        self._last_offset.clear()

    def _check_continuity(self, new: Range) -> None:
        epoch, last = self._last_offset.get(new.tp.partition, (-1, -1))
        if new.previous is not None and new.first <= new.previous:
            raise HoleInLog(
                f"partition {new.tp.partition}: the log goes on at offset {new.first} after {new.previous}, so it was "
                "deleted and created anew; start the worker again, it will count the new log from its start"
            )
        if new.previous is not None and (epoch, last) != (new.epoch, new.previous):
            raise HoleInLog(
                f"partition {new.tp.partition}: records between offset {last} and {new.first} were fetched but never "
                "handed on; start the worker again, it will read them from the last commit"
            )
        self._last_offset[new.tp.partition] = (new.epoch, new.last)

    def _slices(self, partition: int, records: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Runs of records: single ones where the log is replayed, since each cell decides for itself there."""
        known = max(self.counters.partition(partition).replayed_to, self.seen.partition(partition).covered)
        replayed = bisect_right(records, known, key=attrgetter("offset"))
        fresh = records[replayed:]
        return [[record] for record in records[:replayed]] + [
            fresh[at : at + SLICE_RECORDS] for at in range(0, len(fresh), SLICE_RECORDS)
        ]

    def _ingest(self, partition: int, records: Sequence[Any]) -> Slice:
        """Decode, filter and count a slice; its counts and ids are in the tables afterwards."""
        counters, seen = self.counters.partition(partition), self.seen.partition(partition)
        last_offset, is_replay = records[-1].offset, records[-1].offset <= seen.covered
        outcome = self._sieve.sift(partition, records, counters, seen)
        counters.advance(outcome.watermark_ms)
        if last_offset > counters.applied:
            counters.apply(outcome.tally, last_offset)
            counters.mark(records[-1].timestamp, record_digest(records[-1]))
        if not is_replay:
            seen.remember(outcome.keys, outcome.offsets, max(map(APPEND_TIME, records)))
            self.telemetry.events_counted(outcome.accepted, outcome.duplicates, outcome.late)
            for reason, count in Counter(letter.reason for letter in outcome.letters).items():
                self.telemetry.events_rejected(count, reason)
        return outcome

    async def _refused(self, partition: int, rows: Sequence[RefusedRow]) -> list[DeadLetter]:
        """Dead letters of rows that the store refused, with their records as the log holds them."""
        records = await self.reread(partition, [row.offset for row in rows])
        reason = RejectReason.REFUSED_BY_STORE.value
        return [letter_of(self.topic, partition, records[row.offset], reason, row.message) for row in rows]


def attach(app: RangeApp, ingest: Ingest) -> None:
    """Attach the agent; anything unforeseen in it stops the worker without a commit."""

    async def ingest_events(stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                await ingest.take(event.message.value, app.consumer)
            except Exception as error:
                # Leaving the body would acknowledge the range and start the agent anew, behind the lost range.
                await app.crash(error)
                raise

    app.agent(
        app.topic(ingest.topic, key_serializer="raw", value_serializer="raw"), name="ingest-events", concurrency=1
    )(ingest_events)
