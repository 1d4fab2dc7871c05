"""A range with too many refused records waits for an operator."""

import asyncio
from types import SimpleNamespace

from agents.reject_pause import RejectPause
from app.domain.reject_limit import RejectLimit, RejectLimits
from tests.workers import eventually

RECORDS = [SimpleNamespace(offset=offset) for offset in range(100, 140)]
BAD = {100, 101, 102}


def paused() -> RejectPause:
    return RejectPause(RejectLimit(RejectLimits(in_a_row=3, share=1.0, window=1000)))


async def until_paused(pause: RejectPause) -> None:
    await eventually(lambda: bool(pause.reason), "it pauses")


async def test_a_range_within_the_limit_passes() -> None:
    pause = paused()
    await asyncio.wait_for(pause.judge(0, RECORDS, {100, 101, 103}, lambda: True), 5)
    assert not pause.reason


async def test_without_a_limit_everything_passes() -> None:
    await asyncio.wait_for(RejectPause(None).judge(0, RECORDS, BAD, lambda: True), 5)


async def test_too_many_wait_until_an_operator_resumes() -> None:
    pause = paused()
    waiting = asyncio.create_task(pause.judge(2, RECORDS, BAD, lambda: True))
    await until_paused(pause)
    assert "3 records of partition 2 in a row" in pause.reason
    assert "voicemon resume" in pause.reason
    assert not waiting.done()
    assert pause.resume()
    await asyncio.wait_for(waiting, 5)
    assert not pause.reason
    assert not pause.resume()


async def test_a_resume_of_nothing_does_not_let_the_next_range_pass() -> None:
    pause = paused()
    pause.resume()
    waiting = asyncio.create_task(pause.judge(0, RECORDS, BAD, lambda: True))
    await until_paused(pause)
    assert not waiting.done()
    pause.resume()
    await asyncio.wait_for(waiting, 5)


async def test_a_range_that_is_not_wanted_any_more_waits_for_nobody() -> None:
    pause, wanted = paused(), [True]
    waiting = asyncio.create_task(pause.judge(0, RECORDS, BAD, lambda: bool(wanted)))
    await until_paused(pause)
    wanted.clear()
    await asyncio.wait_for(waiting, 5)
    assert not pause.reason
