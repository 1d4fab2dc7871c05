"""Identity and counting in the reference recount."""

import json

from app.domain.counters import COUNTER_TYPES
from app.domain.recount import LogRecord, hourly_counters, recount, trailing_counters
from app.domain.windows import HOUR_MS
from tests.factories import APPEND_TIME_MS, EVENT_ID, TIMESTAMP, event_bytes

OTHER_ID = "00000000-0000-4000-8000-000000000001"


def record(value: bytes | None, partition: int = 0, append_time_ms: int = APPEND_TIME_MS) -> LogRecord:
    return LogRecord(partition, 7, append_time_ms, None, value)


def test_the_first_valid_record_of_an_id_counts_entirely() -> None:
    result = recount(
        [
            record(event_bytes(eventType="nonsense")),
            record(event_bytes(organizationId="org_a")),
            record(event_bytes(organizationId="org_b", timestamp=TIMESTAMP + 1, metadata={"unknown": 1})),
            record(event_bytes(eventId=EVENT_ID.upper())),
        ]
    )
    assert [entry.index for entry in result.accepted] == [1]
    assert result.duplicates == [2, 3]
    assert [letter.index for letter in result.dead_letters] == [0]
    assert result.events[0].organization_id == "org_a"
    assert not result.anomalies.any_found


def test_a_resend_more_than_48_hours_later_is_refused_not_a_duplicate() -> None:
    result = recount([record(event_bytes()), record(event_bytes(), append_time_ms=TIMESTAMP + 48 * HOUR_MS + 1)])
    assert [letter.reason.value for letter in result.dead_letters] == ["timestamp_too_old"]
    assert result.duplicates == []


def test_copies_in_two_partitions_are_both_accepted_and_named() -> None:
    result = recount([record(event_bytes(), 0), record(event_bytes(), 1), record(event_bytes(), 1)])
    assert [(entry.partition, entry.offset) for entry in result.accepted] == [(0, 7), (1, 7)]
    assert result.copies_across_partitions == [1]
    assert result.duplicates == [2]


def test_an_event_with_an_organisation_counts_for_it_and_for_the_platform() -> None:
    events = recount(
        [
            record(event_bytes(eventType="artifact_failed")),
            record(event_bytes(eventId=OTHER_ID, eventType="retry_failed", organizationId=None)),
        ]
    ).events
    hour = TIMESTAMP - TIMESTAMP % HOUR_MS
    counters = hourly_counters(events)
    named = {scope: dict(zip(COUNTER_TYPES, values, strict=True)) for scope, values in counters.items()}
    assert set(named) == {(None, hour), ("org_abc123", hour)}
    assert (named[None, hour]["artifacts_failed_1h"], named[None, hour]["failures_1h"]) == (1, 2)
    assert (named["org_abc123", hour]["artifacts_failed_1h"], named["org_abc123", hour]["failures_1h"]) == (1, 1)


def test_the_trailing_hour_includes_its_end_and_excludes_its_start() -> None:
    events = recount([record(event_bytes())]).events
    position = COUNTER_TYPES.index("claims_extracted_1h")
    seen = {
        at_ms - TIMESTAMP: trailing_counters(events, at_ms)[None][position]
        for at_ms in (TIMESTAMP - 1, TIMESTAMP, TIMESTAMP + HOUR_MS - 1, TIMESTAMP + HOUR_MS)
    }
    assert seen == {-1: 0, 0: 1, HOUR_MS - 1: 1, HOUR_MS: 0}


def test_an_empty_log_gives_zeros() -> None:
    result = recount([])
    assert result.events == []
    assert hourly_counters([]) == {}
    assert trailing_counters([], TIMESTAMP) == {None: [0] * 8}
    assert json.dumps(result.duplicates) == "[]"
