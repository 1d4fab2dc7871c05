"""How many refused records are too many."""

import pytest

from app.domain.reject_limit import RejectLimit, RejectLimits

LIMITS = RejectLimits(in_a_row=5, share=0.5, window=20)


@pytest.fixture
def limit() -> RejectLimit:
    return RejectLimit(LIMITS)


def test_refused_records_in_a_row_are_too_many(limit: RejectLimit) -> None:
    assert limit.note(0, 10, [2, 3, 4, 5]) is None
    assert limit.note(0, 10, [2, 3, 4, 5, 6]) == "5 records of partition 0 in a row were refused"


def test_a_run_goes_on_from_range_to_range(limit: RejectLimit) -> None:
    assert limit.note(0, 10, [7, 8, 9]) is None
    assert limit.note(0, 1, [0]) is None
    assert limit.note(0, 10, [0]) == "5 records of partition 0 in a row were refused"


def test_one_good_record_ends_a_run(limit: RejectLimit) -> None:
    assert limit.note(0, 10, [6, 7, 8]) is None
    assert limit.note(0, 10, [0, 1, 2, 3]) is None


def test_a_range_without_a_refused_record_ends_a_run(limit: RejectLimit) -> None:
    assert limit.note(0, 4, [0, 1, 2, 3]) is None
    assert limit.note(0, 1, []) is None
    assert limit.note(0, 4, [0, 1, 2, 3]) is None


def test_a_share_of_the_window_is_too_much_once_the_window_is_full(limit: RejectLimit) -> None:
    assert limit.note(0, 10, [0, 1, 2, 4, 5, 7]) is None
    assert limit.note(0, 10, [0, 1, 3, 5, 7]) == "11 of the last 20 records of partition 0 were refused"


def test_half_of_the_window_is_not_more_than_half(limit: RejectLimit) -> None:
    for _ in range(20):
        assert limit.note(0, 10, [0, 2, 4, 6, 8]) is None


def test_what_left_the_window_does_not_count(limit: RejectLimit) -> None:
    assert limit.note(0, 10, [0, 1, 3, 4, 6, 7]) is None
    for _ in range(5):
        assert limit.note(0, 10, []) is None
    assert limit.note(0, 10, [0, 1, 3, 4, 6, 7]) is None


def test_partitions_are_judged_by_themselves(limit: RejectLimit) -> None:
    for _ in range(3):
        assert limit.note(0, 4, [0, 1, 2, 3]) is None
        assert limit.note(1, 4, []) is None
        limit.note(0, 1, [])


def test_after_forgetting_it_judges_anew(limit: RejectLimit) -> None:
    limit.note(0, 4, [0, 1, 2, 3])
    limit.forget()
    assert limit.note(0, 4, [0, 1, 2, 3]) is None
