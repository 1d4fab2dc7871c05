"""What the demo's summary takes for a difference."""

import pytest

from app.demo.figures import Counts
from app.demo.summary import DemoSummary, Published


def summary(**changes: object) -> DemoSummary:
    values: dict[str, object] = {
        "seconds": 10.0,
        "interrupted": False,
        "published": Published(distinct=98, resends=2, delivered=100),
        "appended": 100,
        "counted": Counts(accepted=98, duplicates=2, stored=98),
        "stored": 98,
    }
    return DemoSummary(**(values | changes))  # type: ignore[arg-type]


def test_equal_numbers_agree() -> None:
    assert summary().problems() == []
    assert summary().sentences()[-1] == "Published, counted and stored agree."


@pytest.mark.parametrize(
    "changes",
    [
        {"published": Published(98, 2, 99), "appended": 99, "counted": Counts(97, 2)},
        {"appended": 99},
        {"counted": Counts(97, 2)},
        {"counted": Counts(97, 3), "stored": 97},
        {"counted": Counts(97, 2, 1), "stored": 97},
        {"stored": 97},
        {"stored": 99},
    ],
)
def test_a_number_that_differs_is_named(changes: dict[str, object]) -> None:
    assert summary(**changes).problems()
    assert not summary(**changes).as_json()["agree"]


def test_what_an_audit_finds_is_a_problem_and_its_count_is_named_so() -> None:
    assert "audit" not in " ".join(summary().sentences())
    agreed = summary(restarts=1, differences=())
    assert agreed.problems() == []
    assert "by an audit of the log" in " ".join(agreed.sentences())
    assert agreed.as_json() | {"restarts": 1, "audited": True, "agree": True} == agreed.as_json()
    assert summary(restarts=1, differences=("a counter differs",)).problems() == ["a counter differs"]


def test_records_of_other_publishers_are_counted_apart() -> None:
    shared = summary(appended=107, counted=Counts(accepted=103, duplicates=3, rejected=1), stored=103)
    assert shared.foreign == 7
    assert shared.problems() == []
    assert summary(appended=107).problems()
