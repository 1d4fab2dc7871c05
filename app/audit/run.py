"""The audit: recount the log, and compare it with the workers' counters, the dead letters and the store."""

import asyncio
import heapq
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from aiokafka import ConsumerRecord

from app.audit.dead_letters import DeadLetters
from app.audit.frozen_rows import frozen_rows
from app.audit.partition_recount import PartitionRecount, Rules
from app.audit.report import PartitionFigures, RefusedRow, Report
from app.audit.row_content import content_of_event
from app.audit.store_check import ExpectedRows, Scope, compare_store
from app.audit.worker_answers import Answer, ask_workers, compare, compare_at_the_end
from app.domain.event_model import AgeLimits, PipelineEvent
from app.domain.recount import LogRecord
from app.domain.rejects import RejectedEvent
from app.domain.windows import HOUR_MS, window_start_ms
from app.runtime.clock import Clock
from app.runtime.log_position import committed_offsets
from app.runtime.log_reader import LogReader, Span, log_reader
from app.runtime.settings import Settings
from app.runtime.topics import Topics

SAY_SECONDS = 1.0
NEVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Question:
    """What is audited: records by append time, the counters of these workers, the store or not."""

    from_ms: int | None = None
    to_ms: int | None = None
    workers: Sequence[str] = ()
    with_store: bool = True


def audit(settings: Settings, question: Question, clock: Clock, say: Callable[[str], None]) -> Report:
    """The report; `say` is told how far the reading is.

    The order makes the comparison exact while all goes on: commits first, because what they cover must be delivered;
    then the workers' answers; then the log's end, which lies behind both; the store last. Raises VoicemonError if
    Kafka, a worker or ClickHouse does not answer.
    """
    report = Report(question.from_ms, question.to_ms)
    with tempfile.TemporaryDirectory(prefix="voicemon-audit-") as folder:
        expected = ExpectedRows(Path(folder))
        try:
            run = _Audit(settings, question, report, expected, say)
            asyncio.run(run.read())
            if question.with_store:
                visible_ms = clock.now_ms() - settings.retention.events_hours * HOUR_MS
                scope = Scope(question.from_ms, question.to_ms, visible_ms, run.read_offsets)
                report.hours = compare_store(settings.clickhouse, expected, scope, report, say_seldom(say))
                report.notes.frozen_rows = frozen_rows(settings, clock)
        finally:
            expected.close()
    return report


class _Audit:
    """The reading part of an audit."""

    def __init__(
        self, settings: Settings, question: Question, report: Report, expected: ExpectedRows, say: Callable[[str], None]
    ) -> None:
        ingest = settings.ingest
        limits = AgeLimits(ingest.max_age_hours * HOUR_MS, ingest.max_ahead_seconds * 1000)
        horizon_ms = ingest.duplicates_hours * HOUR_MS + limits.max_ahead_ms
        retention_ms = ingest.window_retention_hours * HOUR_MS
        self._rules = Rules(limits, retention_ms, horizon_ms, question.from_ms, question.to_ms)
        self._settings, self._question, self._report = settings, question, report
        self._expected, self._say = expected, say_seldom(say)
        self._topics = Topics(settings.kafka.topic_prefix)
        self._letters = DeadLetters(self._topics.events, report.notes, report.differences)
        self.read_offsets: dict[int, tuple[int, int]] = {}

    async def read(self) -> None:
        """Read everything that Kafka has; the expected rows are on disk afterwards."""
        async with log_reader(self._settings.kafka) as reader:
            committed = await committed_offsets(self._settings.kafka)
            token = self._settings.web.client_token.get_secret_value()
            self._report.workers, answers = await asyncio.to_thread(ask_workers, self._question.workers, token)
            # Ids are remembered, and windows kept, from before the range.
            since_ms = None if self._rules.from_ms is None else self._rules.from_ms - self._rules.horizon_ms
            spans = await reader.spans(self._topics.events, since_ms)
            await self._read_dead_letters(reader)
            sorted_ids: list[array[int]] = []
            for span in spans:
                figures = PartitionFigures(span.tp.partition, committed.get(span.tp.partition))
                self._report.partitions.append(figures)
                recount = PartitionRecount(figures, self._rules)
                await self._read_partition(reader, span, recount, answers.pop(span.tp.partition, []))
                self._note_partition(recount)
                sorted_ids.append(array("Q", sorted(recount.id_prefixes)))
            self._report.notes.copies_across_partitions = _repeats(sorted_ids)
            self._refuse_unknown(answers)

    async def _read_dead_letters(self, reader: LogReader) -> None:
        for span in await reader.spans(self._topics.dead_letters):
            async for records in reader.batches(span):
                for record in records:
                    self._letters.add(record.headers)

    async def _read_partition(
        self, reader: LogReader, span: Span, recount: PartitionRecount, answers: list[Answer]
    ) -> None:
        partition = span.tp.partition
        waiting = deque(answers)
        is_first = span.start > 0
        if is_first:
            recount.complete_from_ms = NEVER_MS
        async for records in reader.batches(span):
            self._say(f"partition {partition}: offset {records[0].offset:,} of {span.end:,}")
            if is_first:
                recount.begins_after_others(records[0].timestamp)
                is_first = False
            self._take_all(records, recount, waiting)
        self._compare_last(waiting, recount, span.end)
        for answer in answers:
            compare_at_the_end(answer, recount, self._report.differences)
        self._letters.end(partition, span.start, span.end)
        self.read_offsets[partition] = (span.start, span.end)

    def _take_all(self, records: Sequence[ConsumerRecord], recount: PartitionRecount, waiting: deque[Answer]) -> None:
        for record in records:
            while waiting and waiting[0].offset < record.offset:
                compare(waiting.popleft(), recount, self._report.differences)
            self._take(record, recount)

    def _compare_last(self, waiting: Sequence[Answer], recount: PartitionRecount, end: int) -> None:
        differences = self._report.differences
        for answer in waiting:
            if answer.offset >= end:
                text = f"{answer.figures.url} has counted up to offset {answer.offset}, the log ends before {end}"
                differences.add("counters", recount.figures.partition, text)
            compare(answer, recount, differences)

    def _take(self, record: ConsumerRecord, recount: PartitionRecount) -> None:
        partition, offset, append_ms = record.partition, record.offset, record.timestamp
        found = recount.take(LogRecord(partition, offset, append_ms, record.key, record.value))
        is_committed = offset < (recount.figures.committed or 0)
        if not self._rules.covers(append_ms):
            self._letters.skip(partition, offset)
            is_committed = False
        elif isinstance(found, RejectedEvent):
            self._letters.refused(partition, offset, found.reason, is_committed)
        elif found is None:
            self._letters.repeated(partition, offset)
        elif self._letters.accepted(partition, offset):
            is_committed = False
            self._report.notes.note_refused(_refused(found, partition, offset))
        if self._question.with_store and found is not None and not isinstance(found, RejectedEvent):
            self._expected.add(content_of_event(found, partition, offset, append_ms), is_committed)

    def _note_partition(self, recount: PartitionRecount) -> None:
        figures, notes = recount.figures, self._report.notes
        notes.late += figures.late
        if not figures.adds_up:
            self._report.differences.add(
                "log", figures.partition, "records are not accepted + duplicates + dead letters"
            )

    def _refuse_unknown(self, answers: Mapping[int, list[Answer]]) -> None:
        for partition, found in answers.items():
            for answer in found:
                text = f"{answer.figures.url} counts a partition that the log does not have"
                self._report.differences.add("counters", partition, text)


def say_seldom(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, at most once a second."""
    said = 0.0

    def say_now_and_then(text: str) -> None:
        nonlocal said
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            say(text)

    return say_now_and_then


def _refused(event: PipelineEvent, partition: int, offset: int) -> RefusedRow:
    window_ms = window_start_ms(event.timestamp)
    return RefusedRow(partition, offset, event.event_id, event.event_type, event.organization_id, window_ms)


def _repeats(sorted_ids: Sequence[Sequence[int]]) -> int:
    """How many ids, of sorted runs without repeats, are in an earlier run, too."""
    return sum(one == other for one, other in pairwise(heapq.merge(*sorted_ids)))
