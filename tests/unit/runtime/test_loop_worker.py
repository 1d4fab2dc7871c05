"""A Faust service that wants a thread runs on the loop that asked for it."""

import asyncio
import threading

import pytest
from mode.threads import QueueServiceThread

from app.runtime.loop_worker import LoopWorker, OnLoop


class Service(OnLoop, QueueServiceThread):
    """Notes which thread runs it."""

    abstract = False

    def __init__(self, *, fails: bool = False) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop=loop, thread_loop=loop, Worker=LoopWorker)
        self.fails = fails
        self.threads: list[int] = []

    async def on_start(self) -> None:
        self.threads.append(threading.get_ident())
        if self.fails:
            raise ConnectionError("nobody answers")

    async def where(self) -> int:
        return threading.get_ident()


async def test_it_starts_answers_and_stops_in_the_callers_thread() -> None:
    service, before, other = Service(), threading.active_count(), asyncio.create_task(asyncio.sleep(3600))
    await service.start()
    assert service.threads == [threading.get_ident()]
    assert await asyncio.wait_for(service.call_thread(service.where), 10) == threading.get_ident()
    assert threading.active_count() == before
    await asyncio.wait_for(service.stop(), 10)
    assert not other.done()  # stopping leaves the tasks of others alone
    other.cancel()


async def test_a_failure_at_its_start_reaches_the_caller() -> None:
    service = Service(fails=True)
    with pytest.raises(ConnectionError, match="nobody answers"):
        await asyncio.wait_for(service.start(), 10)
    await asyncio.wait_for(service.stop(), 10)
