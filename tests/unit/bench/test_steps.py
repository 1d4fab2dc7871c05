"""The measurement of a worker's steps works on the agent as it is."""

from tests.bench.steps import measure


def test_every_step_is_measured() -> None:
    figures = measure(organizations=3, events=4_000)
    assert figures["changedCells"] > 3
    assert all(value >= 0 for value in figures.values())
    assert figures["eventUs"] > 0
