"""Any split into ranges and any crash give the counters and the rows of one pass."""

import json
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingest_events import Ingest
from agents.reject_pause import RejectPause
from app.audit.partition_recount import PartitionRecount, Rules
from app.audit.report import PartitionFigures
from app.domain.counters import COUNTER_TYPES
from app.domain.events import AgeLimits
from app.domain.recount import LogRecord, hourly_counters, recount
from app.domain.windows import HOUR_MS
from app.runtime.faults import Faults
from app.runtime.ranges import Range
from app.runtime.settings import FaultSettings
from app.runtime.telemetry import Telemetry
from tables.partition_counters import PartitionCounters
from tables.seen_events import Block, PartitionSeen
from tests.factories import TIMESTAMP

RETENTION_MS = 2 * HOUR_MS
TYPES = ("artifact_received", "transcription_failed", "artifact_status_changed", "retry_failed")
LIMITS = AgeLimits(max_age_ms=48 * HOUR_MS, max_ahead_ms=48 * HOUR_MS)


@dataclass
class Table:
    """What `Ingest` needs of a table with one partition."""

    state: Any

    def partition(self, partition: int) -> Any:
        return self.state


@dataclass
class Rows:
    """A store that confirms nothing by itself; `add` is what the writer is told."""

    offsets: list[int] = field(default_factory=list)

    def add(self, partition: int, first: int, last: int, rows: Any, size_bytes: int) -> None:
        self.offsets += [row.offset for row in rows]


class Letters:
    def __init__(self) -> None:
        self.offsets: set[int] = set()

    async def write(self, letters: Any) -> None:
        self.offsets |= {letter.offset for letter in letters}


class Consumer:
    epoch = 0

    def mark_counted(self, done: Range) -> None:
        pass


class Worker:
    """One life of a worker over a log, its changelogs and what it has stored before."""

    def __init__(self, changelogs: dict[str, list[Any]], letters: Letters, rows: Rows) -> None:
        self.changelogs, self.letters, self.rows = changelogs, letters, rows
        self.counters, self.seen = PartitionCounters(0, RETENTION_MS), PartitionSeen()
        for key, value in changelogs["counters"]:
            self.counters.follow(key, value)
        self.counters.adopt("me")
        blocks = dict(changelogs["seen"])
        self.seen.restore(Block.decoded(value) for value in blocks.values() if value is not None)
        self.ingest = Ingest(
            "voice-events",
            Table(self.counters),
            Table(self.seen),
            rows,
            letters,
            Telemetry(),
            LIMITS,
            reread=None,
            faults=Faults(FaultSettings()),
            renew_producer=lambda: None,
            pause=RejectPause(None),
        )  # type: ignore[arg-type]
        self.previous: int | None = None

    def take(self, records: list[Any]) -> None:
        new = Range(TP("voice-events", 0), records, self.previous, 0)
        self.previous = records[-1].offset
        # It only steps aside for others, of which there are none; an event loop for each range takes most of the time.
        running = self.ingest.take(new, Consumer())  # type: ignore[arg-type]
        with suppress(StopIteration):
            while True:
                running.send(None)

    def flush(self, counters: int | None = None, seen: int | None = None) -> None:
        """Deliver all changes, or only the first ones of each table as a crash would leave them."""
        self.changelogs["counters"] += self.counters.take_changes("me", 0)[:counters]
        self.changelogs["seen"] += self.seen.take_changes(0)[:seen]


def figures(counters: PartitionCounters) -> dict[tuple[str | None, int], list[int]]:
    width = len(COUNTER_TYPES)
    found = {
        (scope, hour): [sum(cell.minutes[index::width]) for index in range(width)]
        for hour, cells in counters.hours.items()
        for scope, cell in cells.items()
    }
    return {at: values for at, values in found.items() if any(values)}


@st.composite
def logs(draw: st.DrawFn) -> list[Any]:
    """Records with repeated ids, refused ones, holes between offsets, and event times that jump hours both ways."""
    found, offset = [], 0
    for _ in range(draw(st.integers(1, 25))):
        offset += draw(st.sampled_from([1, 1, 1, 5]))
        event: dict[str, Any] = {
            "eventId": str(uuid.UUID(int=draw(st.integers(1, 12)))),
            "eventType": draw(st.sampled_from(TYPES)),
            "timestamp": TIMESTAMP + draw(st.integers(-8, 8)) * HOUR_MS // 2,
        }
        organization = draw(st.sampled_from(["a", "b", None]))
        if organization:
            event["organizationId"] = organization
        value = draw(st.sampled_from([json.dumps(event).encode()] * 8 + [b"{", None]))
        found.append(
            SimpleNamespace(
                topic="voice-events", partition=0, offset=offset, timestamp=TIMESTAMP + offset, key=None, value=value,
                headers=(),
            )
        )  # fmt: skip
    return found


def one_pass(log: list[Any]) -> Worker:
    worker = Worker({"counters": [], "seen": []}, Letters(), Rows())
    worker.take(list(log))
    return worker


def run_with_crashes(log: list[Any], data: st.DataObject) -> Worker:
    changelogs: dict[str, list[Any]] = {"counters": [], "seen": []}
    letters, rows = Letters(), Rows()
    worker, at, committed = Worker(changelogs, letters, rows), 0, 0
    for _ in range(data.draw(st.integers(0, 12), label="steps")):
        step = data.draw(st.sampled_from(["take", "take", "flush", "commit", "crash", "crash in flush"]), label="step")
        if step == "take" and at < len(log):
            end = data.draw(st.integers(at + 1, len(log)), label="end")
            worker.take(log[at:end])
            at = end
        elif step == "flush":
            worker.flush()
        elif step == "commit":
            worker.flush()
            committed = data.draw(st.integers(committed, at), label="committed")
        elif step.startswith("crash"):
            if step == "crash in flush":
                worker.flush(data.draw(st.integers(0, 8)), data.draw(st.integers(0, 2)))
            # What was not committed may not have been stored either.
            rows.offsets = [offset for offset in rows.offsets if committed and offset <= log[committed - 1].offset]
            worker, at = Worker(changelogs, letters, rows), committed
    if at < len(log):
        worker.take(log[at:])
    return worker


@settings(max_examples=100, deadline=None)
@given(logs(), st.data())
def test_any_split_and_any_crash_give_the_counters_of_one_pass(log: list[Any], data: st.DataObject) -> None:
    once, worker = one_pass(log), run_with_crashes(log, data)
    assert figures(worker.counters) == figures(once.counters)
    assert set(worker.rows.offsets) == set(once.rows.offsets)
    assert worker.letters.offsets == once.letters.offsets
    assert worker.seen.ids == once.seen.ids


@settings(max_examples=100, deadline=None)
@given(logs(), st.data())
def test_a_clean_restart_gives_the_counters_of_one_pass(log: list[Any], data: st.DataObject) -> None:
    worker = run_with_crashes(log, data)
    worker.flush()
    again = Worker(worker.changelogs, Letters(), Rows())
    assert figures(again.counters) == figures(worker.counters) == figures(one_pass(log).counters)
    assert again.counters.cutoff_ms == worker.counters.cutoff_ms


@settings(max_examples=200, deadline=None)
@given(logs(), st.integers(1, 2), st.data())
def test_the_same_organisations_are_left_out_after_any_crash(log: list[Any], most: int, data: st.DataObject) -> None:
    with patch("tables.partition_counters.MOST_ORGANIZATIONS", most):
        once, worker = one_pass(log), run_with_crashes(log, data)
        worker.flush()
        again = Worker(worker.changelogs, Letters(), Rows())
        assert figures(again.counters) == figures(worker.counters) == figures(once.counters)
        assert again.counters.full_hours() == worker.counters.full_hours()
    with patch("app.audit.partition_recount.MOST_ORGANIZATIONS", most):
        told = PartitionRecount(PartitionFigures(0, None), Rules(LIMITS, RETENTION_MS, 96 * HOUR_MS))
        for record in log:
            told.take(LogRecord(0, record.offset, record.timestamp, None, record.value))
    width = range(len(COUNTER_TYPES))
    counted = {(*at, index): values[index] for at, values in figures(once.counters).items() for index in width}
    assert {at: value for at, value in counted.items() if value} == told.counters


@settings(max_examples=100, deadline=None)
@given(logs())
def test_one_pass_counts_what_the_recount_counts_in_the_windows_kept(log: list[Any]) -> None:
    worker = one_pass(log)
    records = [LogRecord(0, record.offset, record.timestamp, None, record.value) for record in log]
    told = recount(records, LIMITS)
    kept = {at: values for at, values in hourly_counters(told.events).items() if at[1] >= worker.counters.cutoff_ms}
    assert figures(worker.counters) == kept
    assert worker.rows.offsets == [accepted.offset for accepted in told.accepted]


@settings(max_examples=100, deadline=None)
@given(logs())
def test_live_platform_counters_are_the_organisations_and_the_events_without_one(log: list[Any]) -> None:
    worker = one_pass(log)
    records = [LogRecord(0, record.offset, record.timestamp, None, record.value) for record in log]
    without = [event for event in recount(records, LIMITS).events if event.organization_id is None]
    sums: Counter[tuple[int, int]] = Counter()
    found = figures(worker.counters)
    parts = {at: values for at, values in hourly_counters(without).items() if at[1] >= worker.counters.cutoff_ms}
    for (_, hour), values in [*parts.items(), *((at, values) for at, values in found.items() if at[0] is not None)]:
        sums.update({(hour, index): value for index, value in enumerate(values)})
    platform = {
        (hour, index): value
        for (scope, hour), values in found.items()
        if scope is None
        for index, value in enumerate(values)
    }
    assert +sums == +Counter(platform)
