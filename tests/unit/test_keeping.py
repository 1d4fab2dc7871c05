"""Work on the store is done again and again, less often while the worker is behind."""

import asyncio
from collections.abc import Callable

import pytest

from app import keeping
from app.keeping import Pace, keep_up
from app.runtime.settings import Settings


class CountedJob:
    """Notes when it ran."""

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note

    def run_once(self) -> None:
        self._note()

    def close(self) -> None:
        """Nothing is open."""


async def runs_while(behind: Callable[[int], bool], pace: Pace, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In which look at the worker each of the first three runs took place."""
    looks, runs = 0, list[int]()
    done = asyncio.Event()

    def is_behind() -> bool:
        nonlocal looks
        looks += 1
        return behind(looks)

    def note() -> None:
        runs.append(looks)
        if len(runs) == 3:
            done.set()

    monkeypatch.setattr(keeping, "connect", lambda settings: None)
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.01)
    work = asyncio.create_task(
        keep_up(
            Settings().clickhouse, lambda client: CountedJob(note), pace, "failed", lambda: True, is_behind=is_behind
        )
    )
    await asyncio.wait_for(done.wait(), 10)
    work.cancel()
    return runs


async def test_a_worker_that_is_behind_is_left_to_it_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(shortest=0.005, times=0, longest=0.005, behind=0.1)
    assert await runs_while(lambda look: True, pace, monkeypatch) == [0, 11, 22]


async def test_the_rest_ends_soon_after_the_worker_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(shortest=0.005, times=0, longest=0.005, behind=1.0)
    assert await runs_while(lambda look: look < 3, pace, monkeypatch) == [0, 3, 4]


async def test_work_that_does_not_care_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(shortest=0.005, times=0, longest=0.005)
    assert await runs_while(lambda look: True, pace, monkeypatch) == [0, 1, 2]
