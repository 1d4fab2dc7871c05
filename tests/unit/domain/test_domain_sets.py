"""The closed sets of the domain and the counters that event types feed."""

from app.domain.counters import COUNTER_TYPES, COUNTERS_OF_TYPE, RESULT_FIELDS
from app.domain.event_types import ARTIFACT_STATUSES, ERR, EVENT_TYPES, FAIL, STAGE_OF_TYPE, STAGES
from app.domain.rejects import RejectReason


def test_there_are_27_types_6_stages_and_6_statuses() -> None:
    assert (len(set(EVENT_TYPES)), len(set(STAGES)), len(set(ARTIFACT_STATUSES))) == (27, 6, 6)


def test_every_type_says_whether_it_has_a_stage() -> None:
    assert set(STAGE_OF_TYPE) == set(EVENT_TYPES)
    assert {stage for stage in STAGE_OF_TYPE.values() if stage is not None} == set(STAGES)
    assert sum(stage is None for stage in STAGE_OF_TYPE.values()) == 11


def test_failures_are_six_types_and_errors_one_more() -> None:
    assert len(FAIL) == 6
    assert set(EVENT_TYPES) > FAIL
    assert {"circuit_breaker_opened"} == ERR - FAIL


def test_a_rejected_draft_is_no_failure() -> None:
    assert "draft_rejected" not in ERR


def test_result_fields_are_the_counter_types_in_camel_case() -> None:
    assert len(COUNTER_TYPES) == 8
    for counter, field in zip(COUNTER_TYPES, RESULT_FIELDS, strict=True):
        first, *rest = counter.split("_")
        assert field == first + "".join(word.capitalize() for word in rest)


def test_a_failed_artifact_counts_twice_and_other_failures_once() -> None:
    named: dict[str, set[str]] = {
        name: {COUNTER_TYPES[position] for position in COUNTERS_OF_TYPE[name]} for name in EVENT_TYPES
    }
    assert named["artifact_failed"] == {"artifacts_failed_1h", "failures_1h"}
    assert all(named[name] == {"failures_1h"} for name in FAIL - {"artifact_failed"})
    assert named["entity_needs_disambiguation"] == set()
    assert sum(bool(counters) for counters in named.values()) == 12


def test_reasons_are_listed_in_the_order_of_the_checks() -> None:
    assert [reason.value for reason in RejectReason] == [
        "empty_value",
        "invalid_utf8",
        "bad_json",
        "not_an_object",
        "missing_event_id",
        "invalid_event_id",
        "missing_event_type",
        "unknown_event_type",
        "missing_timestamp",
        "invalid_timestamp",
        "unknown_stage",
        "timestamp_too_old",
        "timestamp_too_new",
        "refused_by_store",
    ]
