"""A worker that should read and does not is stopped; one that has nothing to read or is held back is not."""

import pytest

from app.runtime.watchdog import Standstill, Watchdog


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_count_that_should_grow_and_does_not_is_a_standstill() -> None:
    seconds = Seconds()
    watchdog = Watchdog(60, seconds)
    watchdog.look(5, should_grow=True)
    seconds.now = 60
    watchdog.look(5, should_grow=True)
    seconds.now = 60.1
    with pytest.raises(Standstill, match="no record was read for 60 s"):
        watchdog.look(5, should_grow=True)


@pytest.mark.parametrize(("count", "should_grow"), [(6, True), (5, False)])
def test_progress_or_a_good_reason_starts_the_patience_anew(count: int, should_grow: bool) -> None:
    seconds = Seconds()
    watchdog = Watchdog(60, seconds)
    watchdog.look(5, should_grow=True)
    seconds.now = 59
    watchdog.look(count, should_grow)
    seconds.now = 118
    watchdog.look(count, should_grow=True)
