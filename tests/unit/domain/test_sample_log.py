"""The rules, applied to the sample logs, give the results that come with them."""

from typing import Any, NamedTuple

import pytest

from app.domain.counters import RESULT_FIELDS
from app.domain.events import AgeLimits, Anomalies, decode_event, encode_event
from app.domain.recount import LogRecord, Recount, hourly_counters, recount, trailing_counters
from app.domain.rejects import RejectedEvent
from app.domain.windows import HOUR_MS
from tests.sample_log import read_expected, read_log


class Sample(NamedTuple):
    records: list[LogRecord]
    expected: dict[str, Any]
    result: Recount


@pytest.fixture(
    scope="module",
    params=[("events.ndjson", "expected.json"), ("worked_example.ndjson", "worked_example_expected.json")],
    ids=["sample", "worked-example"],
)
def sample(request: pytest.FixtureRequest) -> Sample:
    log, expected = request.param
    records = read_log(log)
    return Sample(records, read_expected(expected), recount(records))


def _row(values: list[int], scope: str | None, **times: int) -> dict[str, Any]:
    row: dict[str, Any] = {**dict(zip(RESULT_FIELDS, values, strict=True)), **times}
    return row if scope is None else row | {"organizationId": scope}


def _sorted(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted((sorted(row.items()) for row in rows), key=str)


def test_every_record_is_accepted_or_a_duplicate_or_refused(sample: Sample) -> None:
    result = sample.result
    assert sample.expected["records"] == {
        "total": len(sample.records),
        "accepted": len(result.accepted),
        "duplicates": len(result.duplicates),
        "deadLettered": len(result.dead_letters),
    }


def test_refused_records_have_the_expected_reasons(sample: Sample) -> None:
    found = [{"index": letter.index, "reason": letter.reason.value} for letter in sample.result.dead_letters]
    assert found == sample.expected["deadLetters"]


def test_duplicates_are_the_expected_records(sample: Sample) -> None:
    assert sample.result.duplicates == sample.expected["duplicateIndexes"]


def test_anomalies_are_those_of_accepted_distinct_events(sample: Sample) -> None:
    anomalies = sample.result.anomalies
    assert sample.expected["anomalies"] == {
        "unusableValues": anomalies.unusable_values,
        "unknownMetadataKeys": anomalies.unknown_metadata_keys,
        "stageMismatches": anomalies.stage_mismatches,
        "badDurations": anomalies.bad_durations,
    }


def test_hourly_counters_are_the_expected_rows(sample: Sample) -> None:
    counters = hourly_counters(sample.result.events)
    hours = range(sample.expected["range"]["hoursFrom"], sample.expected["range"]["hoursTo"], HOUR_MS)
    counters |= {(None, hour): [0] * len(RESULT_FIELDS) for hour in hours if (None, hour) not in counters}
    rows = [
        _row(values, scope, windowStart=start, windowEnd=start + HOUR_MS) for (scope, start), values in counters.items()
    ]
    assert _sorted(rows) == _sorted(sample.expected["hourlyCounters"])


def test_trailing_counters_are_the_expected_rows(sample: Sample) -> None:
    instants = {row["at"] for row in sample.expected["trailingCounters"]}
    rows = [
        _row(values, scope, at=at)
        for at in instants
        for scope, values in trailing_counters(sample.result.events, at).items()
    ]
    assert _sorted(rows) == _sorted(sample.expected["trailingCounters"])


def test_the_fast_way_decides_each_record_as_the_rule_book(sample: Sample) -> None:
    accepted = {entry.index: entry.event for entry in sample.result.accepted}
    refused = {letter.index: letter.reason for letter in sample.result.dead_letters}
    for index, record in enumerate(sample.records):
        try:
            event = decode_event(record.value, record.append_time_ms, AgeLimits(), Anomalies())
        except RejectedEvent as rejected:
            assert refused[index] is rejected.reason
        else:
            assert index not in refused
            assert accepted.get(index, event) == event


def test_decoding_the_canonical_bytes_gives_the_same_event(sample: Sample) -> None:
    for entry in sample.result.accepted:
        canonical = encode_event(entry.event)
        found = Anomalies()
        again = decode_event(canonical, entry.append_time_ms, AgeLimits(), found)
        assert again == entry.event
        assert encode_event(again) == canonical
        assert found.unusable_values == found.unknown_metadata_keys == found.stage_mismatches == 0


def test_texts_that_only_copies_carry_are_in_no_event(sample: Sample) -> None:
    assert all(event.organization_id != "org_copy" for event in sample.result.events)
