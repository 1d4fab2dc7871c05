"""Kafka and ClickHouse that can be killed and come back on the same port with the same data."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

from app.local.launch import build_service, silent
from app.local.ports import free_port
from app.local.processes import start_guarded, stop_guard
from app.runtime.settings import Settings
from tests.services import local_settings

ANSWER_SECONDS = 60.0


class KillableService:
    """A service whose guard ends it with this process; `kill` takes the service itself with SIGKILL."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        settings: Settings = local_settings(folder)
        self._service = build_service(name, free_port(), settings, silent)
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._service.address

    @property
    def log(self) -> Path:
        """What it writes about itself."""
        return self._service.logs[0]

    async def start(self) -> None:
        """Start it and return once it answers."""
        command = await asyncio.to_thread(self._service.prepare)
        self._guard = start_guarded(command)
        deadline = time.monotonic() + ANSWER_SECONDS
        while not await asyncio.to_thread(self._service.is_answering, 2.0):
            assert self._guard.poll() is None, f"{self.name} ended at its start"
            assert time.monotonic() < deadline, f"{self.name} does not answer"
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        await asyncio.to_thread(self._kill)

    def _kill(self) -> None:
        assert self._guard is not None
        guard = self._guard.pid
        for child in Path(f"/proc/{guard}/task/{guard}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._guard.wait(10)

    def stop(self) -> None:
        if self._guard is not None:
            stop_guard(self._guard, 20)
