"""Flushes and commits of a worker, without a broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from app.runtime import flushing as module
from app.runtime.flushing import Flushing
from tests.workers import eventually


class Log:
    """Counts flushes and commits; a commit lasts until it is let go."""

    def __init__(self) -> None:
        self.flushes = 0
        self.commits = 0
        self.may_run = True
        self.may_commit = asyncio.Event()
        self.failure: Exception | None = None

    async def flush(self) -> None:
        self.flushes += 1

    async def commit(self) -> None:
        self.commits += 1
        await self.may_commit.wait()
        if self.failure is not None:
            raise self.failure


@asynccontextmanager
async def flushing(log: Log) -> AsyncIterator["asyncio.Task[None]"]:
    loop = Flushing(log.flush, log.commit, lambda: log.may_run, flush_seconds=0.01, commit_seconds=0.02)
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, RuntimeError):
            await task


async def test_flushes_go_on_while_a_commit_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.02)
    log = Log()
    async with flushing(log):
        await eventually(lambda: log.commits == 1, "a commit has begun", 5)
        before = log.flushes
        await eventually(lambda: log.flushes > before + 2, "state is flushed behind the commit", 5)
        assert log.commits == 1


async def test_no_flush_comes_beside_a_commit_that_is_only_slow() -> None:
    log = Log()
    async with flushing(log):
        await eventually(lambda: log.commits == 1, "a commit has begun", 5)
        before = log.flushes
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.2)
        assert log.flushes == before


async def test_a_commit_follows_a_stuck_one_as_soon_as_that_is_done() -> None:
    log = Log()
    async with flushing(log):
        await eventually(lambda: log.commits == 1, "a commit has begun", 5)
        log.may_commit.set()
        await eventually(lambda: log.commits > 1, "the next commit", 5)


async def test_a_failed_commit_ends_the_flushing() -> None:
    log = Log()
    log.failure = RuntimeError("no such group")
    log.may_commit.set()
    async with flushing(log) as task:
        with pytest.raises(RuntimeError, match="no such group"):
            await asyncio.wait_for(task, 5)


async def test_a_stuck_commit_ends_with_the_flushing() -> None:
    log = Log()
    async with flushing(log):
        await eventually(lambda: log.commits == 1, "a commit has begun", 5)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "commit" not in names


async def test_nothing_is_flushed_while_a_rebalance_is_under_way() -> None:
    log = Log()
    log.may_run = False
    log.may_commit.set()
    async with flushing(log):
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.1)
        assert (log.flushes, log.commits) == (0, 0)
        log.may_run = True
        await eventually(lambda: log.flushes > 0, "state is flushed", 5)
