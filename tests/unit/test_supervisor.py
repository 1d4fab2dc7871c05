"""A worker that ends is started again, and one that keeps ending stays down."""

import asyncio
import sys
from pathlib import Path

import pytest

from app.runtime.errors import VoicemonError
from app.supervisor import MOST_RESTARTS, WITHIN_SECONDS, RestartLimit, supervise
from tests.workers import eventually


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_and_too_many_ends_within_a_minute_are_the_last() -> None:
    limit = RestartLimit(Seconds())
    assert [limit.next_pause() for _ in range(MOST_RESTARTS)] == [0.5, 1, 2, 4, 8]
    assert limit.next_pause() is None


def test_ends_that_are_a_minute_old_do_not_count() -> None:
    seconds = Seconds()
    limit = RestartLimit(seconds)
    for _ in range(MOST_RESTARTS):
        limit.next_pause()
    seconds.now = WITHIN_SECONDS + 1
    assert limit.next_pause() == 0.5


async def test_a_process_that_ended_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    program = tmp_path / "program.py"
    program.write_text(
        f"import pathlib, sys, time\n"
        f"log = pathlib.Path({str(log)!r})\n"
        f"is_first = not log.exists()\n"
        f"log.open('a').write('x')\n"
        f"sys.exit(3) if is_first else time.sleep(60)\n"
    )
    stop = asyncio.Event()
    task = asyncio.create_task(supervise([sys.executable, str(program)], stop))
    await eventually(lambda: log.exists() and len(log.read_text()) == 2, "it is started again", 20)
    stop.set()
    await asyncio.wait_for(task, 20)
    assert log.read_text() == "xx"


async def test_a_process_that_keeps_ending_stays_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.supervisor.FIRST_PAUSE_SECONDS", 0.0)
    with pytest.raises(VoicemonError, match="ended 6 times within 60 s, last with exit code 7"):
        await supervise([sys.executable, "-c", "raise SystemExit(7)"], asyncio.Event())


async def test_a_process_whose_settings_cannot_work_is_not_started_again() -> None:
    with pytest.raises(VoicemonError, match="cannot work with its settings"):
        await supervise([sys.executable, "-c", "raise SystemExit(2)"], asyncio.Event())
