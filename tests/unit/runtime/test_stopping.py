"""A stop has an end, whatever a client waits for."""

import asyncio

import pytest

from app.runtime.stopping import until_done


async def test_work_that_ends_in_time_is_waited_for() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    assert await until_done(asyncio.create_task(work()), 5)


async def test_work_that_does_not_end_is_left_behind() -> None:
    work = asyncio.create_task(asyncio.Event().wait())
    assert not await until_done(work, 0.05)
    assert work.cancelling()


async def test_a_failure_while_stopping_is_told() -> None:
    async def work() -> None:
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        await until_done(asyncio.create_task(work()), 5)
