"""What the audit takes for a difference."""

import pytest

from app.audit.dead_letters import DeadLetters
from app.audit.partition_recount import Counters, PartitionRecount, Rules
from app.audit.report import MOST_LISTED, Differences, Notes, PartitionFigures, RefusedRow, WorkerFigures
from app.audit.worker_answers import Answer, compare, compare_at_the_end
from app.domain.event_model import AgeLimits
from app.domain.rejects import RejectReason
from app.domain.windows import HOUR_MS

HOUR = 500_000 * HOUR_MS
AT = ("org-1", HOUR, 0)
BAD_JSON = RejectReason.BAD_JSON


@pytest.fixture
def differences() -> Differences:
    return Differences()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def letters(notes: Notes, differences: Differences) -> DeadLetters:
    return DeadLetters("voice-events", notes, differences)


def log_of(counters: Counters, cutoff_ms: int = 0) -> PartitionRecount:
    result = PartitionRecount(PartitionFigures(0), Rules(AgeLimits(), 3 * HOUR_MS, 48 * HOUR_MS))
    result.counters, result.cutoff_ms = counters, cutoff_ms
    return result


def answer_of(counters: Counters, kept_from_ms: int = 0) -> Answer:
    return Answer(WorkerFigures("http://worker"), 9, kept_from_ms, counters)


def headers(offset: int, reason: str = "bad_json", topic: str = "voice-events") -> list[tuple[str, bytes | None]]:
    fields = {"reason": reason, "source-topic": topic, "source-partition": "0", "source-offset": str(offset)}
    return [(name, text.encode()) for name, text in fields.items()]


def texts(differences: Differences) -> list[str]:
    return [one.text for one in differences.listed]


@pytest.mark.parametrize(("theirs", "ours"), [({AT: 2}, {AT: 1}), ({}, {AT: 1}), ({AT: 1}, {})])
def test_a_counter_that_is_not_the_recount_is_named(
    differences: Differences,
    theirs: Counters,
    ours: Counters,
) -> None:
    answer = answer_of(theirs)
    compare(answer, log_of(ours), differences)
    assert differences.count == {"counters": 1}
    assert "artifacts_received_1h of 'org-1'" in texts(differences)[0]
    assert (answer.figures.counters, answer.figures.differing) == (1, 1)


def test_equal_counters_are_no_difference(differences: Differences) -> None:
    compare(answer_of({AT: 2}), log_of({AT: 2}), differences)
    assert differences.total == 0


def test_windows_that_either_side_has_dropped_are_not_compared(differences: Differences) -> None:
    compare(answer_of({}, kept_from_ms=HOUR + HOUR_MS), log_of({AT: 2}), differences)
    compare(answer_of({AT: 2}), log_of({}, cutoff_ms=HOUR + HOUR_MS), differences)
    assert differences.total == 0


def test_a_window_dropped_before_the_log_says_so_is_a_difference(differences: Differences) -> None:
    compare_at_the_end(answer_of({}, kept_from_ms=HOUR), log_of({}, cutoff_ms=HOUR), differences)
    assert differences.total == 0
    compare_at_the_end(answer_of({}, kept_from_ms=HOUR + HOUR_MS), log_of({}, cutoff_ms=HOUR), differences)
    assert "has dropped windows" in texts(differences)[0]


def test_a_committed_refused_record_needs_its_dead_letter(letters: DeadLetters, differences: Differences) -> None:
    letters.refused(0, 1, BAD_JSON, must_be_there=False)
    assert differences.total == 0
    letters.refused(0, 2, BAD_JSON, must_be_there=True)
    assert texts(differences) == ["offset 2 (bad_json) has no dead letter"]


def test_another_reason_is_a_difference(letters: DeadLetters, differences: Differences) -> None:
    letters.add(headers(1, "not_an_object"))
    letters.refused(0, 1, BAD_JSON, must_be_there=True)
    assert texts(differences) == ["offset 1 is refused as bad_json, its dead letter says not_an_object"]


def test_repeats_of_a_dead_letter_are_a_note(letters: DeadLetters, differences: Differences, notes: Notes) -> None:
    for _ in range(3):
        letters.add(headers(1))
    letters.refused(0, 1, BAD_JSON, must_be_there=True)
    assert (differences.total, notes.repeated_dead_letters) == (0, 2)


def test_a_row_that_the_store_refused_is_no_difference(letters: DeadLetters, differences: Differences) -> None:
    letters.add(headers(1, "refused_by_store"))
    assert letters.accepted(0, 1)
    assert differences.total == 0


def test_refused_rows_are_counted_by_window_and_the_first_are_listed(notes: Notes) -> None:
    for number in range(MOST_LISTED + 5):
        notes.note_refused(RefusedRow(0, number, "id", "artifact_received", "org-1", HOUR + number % 2 * HOUR_MS))
    assert (notes.refused_by_store, len(notes.refused)) == (MOST_LISTED + 5, MOST_LISTED)
    assert notes.refused_by_hour == {HOUR: MOST_LISTED // 2 + 3, HOUR + HOUR_MS: MOST_LISTED // 2 + 2}


def test_dead_letters_of_other_records_are_differences(letters: DeadLetters, differences: Differences) -> None:
    for offset in (1, 2, 3, 50):
        letters.add(headers(offset))
    letters.add(headers(4, topic="elsewhere"))
    assert not letters.accepted(0, 1)
    letters.repeated(0, 2)
    letters.end(0, 0, 10)
    assert texts(differences) == [
        "offset 1 is accepted, but has a bad_json",
        "offset 2 is a duplicate, but has a dead letter (bad_json)",
        "offset 3 has a dead letter, but no record",
    ]


def test_every_difference_is_counted_and_the_first_are_listed(differences: Differences) -> None:
    for number in range(MOST_LISTED + 5):
        differences.add("store", 0, str(number))
    assert (differences.total, len(differences.listed)) == (MOST_LISTED + 5, MOST_LISTED)
