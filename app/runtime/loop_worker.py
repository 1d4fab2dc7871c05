"""Runs a Faust service that wants a thread of its own as a task of the loop that asked for it.

Records that one thread decodes and another counts wander between two processor caches, and both threads wait for the
one interpreter lock. docs/decisions/0011 has the measurements.
"""

import asyncio
from typing import Any


class LoopWorker:
    """Stands where mode starts a thread; the service's `thread_loop` is the loop of its parent."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serve until the service is stopped."""
        self._task = self._service.parent_loop.create_task(self._serve(), name=f"serve {self._service.label}")
        self._task.add_done_callback(_told)

    async def _serve(self) -> None:
        try:
            await self._service._serve()
        finally:
            self._service.set_shutdown()

    def stop(self) -> None:
        """Nothing is left to wait for: the service has said that it is shut down."""


def _told(task: asyncio.Task[None]) -> None:
    """A service that fails tells its parent; the loop need not report the same once more."""
    if not task.cancelled():
        task.exception()


class OnLoop:
    """What a service needs that runs on the loop of its parent; goes before mode's class."""

    async def _gather_remaining_tasks(self) -> None:
        """None: a thread would end all tasks of its loop, here they are those of others."""
