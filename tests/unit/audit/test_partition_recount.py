"""The audit's recount of one partition."""

import json
import uuid
from typing import Any

import pytest

from app.audit.partition_recount import PartitionRecount, RememberedIds, Rules
from app.audit.report import PartitionFigures
from app.domain.counters import COUNTER_TYPES, COUNTERS_OF_TYPE
from app.domain.event_model import AgeLimits
from app.domain.recount import LogRecord, hourly_counters, recount
from app.domain.rejects import RejectedEvent, RejectReason
from app.domain.windows import HOUR_MS, MINUTE_MS
from tests.sample_log import read_log

HOUR = 500_000 * HOUR_MS
RETENTION_MS = 3 * HOUR_MS
FOR_EVER_MS = 1_000_000 * HOUR_MS
RECEIVED = COUNTER_TYPES.index("artifacts_received_1h")


def rules(**changes: Any) -> Rules:
    given = {"limits": AgeLimits(), "retention_ms": RETENTION_MS, "horizon_ms": 48 * HOUR_MS} | changes
    return Rules(**given)


def recounted(records: list[LogRecord], **changes: Any) -> PartitionRecount:
    result = PartitionRecount(PartitionFigures(0), rules(**changes))
    for record in records:
        result.take(record)
    return result


def record(offset: int, timestamp: int, append_ms: int | None = None, **changes: Any) -> LogRecord:
    fields = {"eventId": str(uuid.UUID(int=offset + 1)), "eventType": "artifact_received", "timestamp": timestamp}
    value = json.dumps(fields | changes).encode()
    return LogRecord(0, offset, timestamp if append_ms is None else append_ms, None, value)


@pytest.mark.parametrize("name", ["events.ndjson", "worked_example.ndjson"])
def test_with_windows_kept_for_ever_it_is_the_recount_of_the_domain(name: str) -> None:
    log = read_log(name)
    expected = recount(log)
    found = recounted(log, retention_ms=FOR_EVER_MS, horizon_ms=FOR_EVER_MS)
    hourly = {
        (scope, window, position): value
        for (scope, window), values in hourly_counters(expected.events).items()
        for position, value in enumerate(values)
        if value
    }
    assert found.counters == hourly
    figures = found.figures
    accepted, duplicates, refused = len(expected.accepted), len(expected.duplicates), len(expected.dead_letters)
    assert (figures.accepted, figures.duplicates, figures.refused) == (accepted, duplicates, refused)
    assert figures.adds_up
    assert (figures.records, figures.late) == (len(log), 0)


def test_the_rule_book_alone_judges_one_record_in_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RejectedEvent(RejectReason.BAD_JSON, "the fast way is wrong")

    monkeypatch.setattr("app.audit.partition_recount.decode_event", refuse)
    found = recounted([record(offset, HOUR) for offset in range(32)])
    assert (found.figures.accepted, found.figures.refused) == (2, 30)


def test_an_event_of_a_window_left_behind_by_the_retention_is_late() -> None:
    now = HOUR + 4 * HOUR_MS
    found = recounted([record(0, now), record(1, HOUR, now), record(2, HOUR + HOUR_MS, now)])
    assert found.cutoff_ms == HOUR + HOUR_MS
    assert found.figures.late == 1
    assert (None, HOUR + HOUR_MS, RECEIVED) in found.counters


def test_windows_are_dropped_by_events_that_touch_no_counter() -> None:
    assert COUNTERS_OF_TYPE["artifact_status_changed"] == ()
    late = HOUR + 4 * HOUR_MS
    found = recounted([record(0, HOUR), record(1, late, eventType="artifact_status_changed")])
    assert found.counters == {}


def test_an_event_that_touches_no_counter_is_never_late() -> None:
    now = HOUR + 10 * HOUR_MS
    found = recounted([record(0, now), record(1, HOUR, now, eventType="artifact_status_changed")])
    assert found.figures.late == 0


def test_duplicates_and_refused_records_move_no_window() -> None:
    later = HOUR + 9 * HOUR_MS
    copy = record(1, later, eventId=str(uuid.UUID(int=1)))
    refused = record(2, later, eventType="unknown")
    found = recounted([record(0, HOUR), copy, refused])
    assert found.counters[None, HOUR, RECEIVED] == 1
    assert (found.figures.duplicates, found.figures.refused) == (1, 1)


def test_the_figures_speak_of_the_range_only() -> None:
    log = [record(0, HOUR), record(1, HOUR + MINUTE_MS), record(2, HOUR + 2 * MINUTE_MS)]
    found = recounted(log, from_ms=HOUR + MINUTE_MS, to_ms=HOUR + 2 * MINUTE_MS)
    assert (found.figures.first_offset, found.figures.last_offset, found.figures.records) == (1, 1, 1)
    assert found.counters[None, HOUR, RECEIVED] == 3, "windows hold what came before, too"


def test_windows_that_earlier_records_may_have_filled_are_not_complete() -> None:
    found = recounted([])
    found.begins_after_others(HOUR + 58 * MINUTE_MS)
    assert found.complete_from_ms == HOUR + 2 * HOUR_MS, "an unseen event may lie five minutes ahead of its append time"


def test_an_id_is_forgotten_once_it_cannot_come_again() -> None:
    ids = RememberedIds(48 * HOUR_MS)
    key = uuid.UUID(int=7).bytes
    assert ids.is_new(key, HOUR)
    assert not ids.is_new(key, HOUR + 48 * HOUR_MS)
    ids.is_new(uuid.UUID(int=8).bytes, HOUR + 50 * HOUR_MS)
    assert ids.is_new(key, HOUR + 50 * HOUR_MS)
