"""Workers that join, leave and are killed, under a supervisor that starts again what ended by itself."""

import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from app.local.ports import free_port
from app.runtime.errors import VoicemonError
from app.runtime.log_position import group_lag
from app.runtime.settings import Settings
from tests.workers import ROOT, WorkerProcess, environment

SUPERVISE_SECONDS = 0.2
STOP_SECONDS = 20.0


@dataclass
class Slot:
    """A place for one worker; `wanted` says whether one should run there."""

    settings: Settings
    log: Path
    wanted: bool = False
    worker: WorkerProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.web.port}"

    @property
    def runs(self) -> bool:
        return self.worker is not None and self.worker.process.poll() is None


@dataclass
class Fleet:
    """All slots, and what their workers did unasked."""

    slots: list[Slot]
    ends: list[str] = field(default_factory=list)
    slow_stops: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings, count: int, folder: Path) -> "Fleet":
        slots = []
        for number in range(count):
            web = settings.web.model_copy(update={"port": free_port()})
            slots.append(Slot(settings.model_copy(update={"web": web}), folder / f"worker-{number}.log"))
        return cls(slots)

    @property
    def wanted(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.wanted]

    async def supervise(self) -> None:
        """Keep a worker in each wanted slot, for ever."""
        while True:
            for slot in self.wanted:
                if not slot.runs:
                    self._start(slot)
            await asyncio.sleep(SUPERVISE_SECONDS)

    def _start(self, slot: Slot) -> None:
        if slot.worker is not None and slot.worker.process.returncode > 0:
            last = slot.log.read_text(errors="replace").strip().splitlines()[-1:]
            self.ends.append(f"exit {slot.worker.process.returncode}: {' '.join(last)[-300:]}")
        with slot.log.open("ab") as output:
            command = [sys.executable, "-m", "app.cli", "worker"]
            process = subprocess.Popen(command, cwd=ROOT, env=environment(slot.settings), stdout=output, stderr=output)
        slot.worker = WorkerProcess(process, slot.settings, slot.log)

    async def leave(self, slot: Slot) -> None:
        """SIGTERM; a worker that takes longer than it may is noted and killed."""
        slot.wanted = False
        if slot.worker is None or not slot.runs:
            return
        started = time.monotonic()
        slot.worker.process.terminate()
        try:
            await asyncio.to_thread(slot.worker.process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            slot.worker.process.kill()
        if (took := time.monotonic() - started) > 10:
            self.slow_stops.append(took)

    async def kill(self, slot: Slot) -> None:
        assert slot.worker is not None
        slot.worker.process.kill()
        await asyncio.to_thread(slot.worker.process.wait, 10)

    async def freeze(self, slot: Slot, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while: a worker that does not know that its partitions have moved."""
        assert slot.worker is not None
        slot.worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        slot.worker.process.send_signal(signal.SIGCONT)

    async def all_ready(self) -> bool:
        return await self._all_answer("/health/ready")

    async def all_complete(self) -> bool:
        """Whether all know every live figure; their rows may wait for the store."""
        return await self._all_answer("/api/v1/metrics/realtime")

    async def is_settled(self) -> bool:
        """Whether all that was published is counted and stored, and all are ready."""
        try:
            lag = await group_lag(self.slots[0].settings.kafka)
        except VoicemonError:
            return False
        return all(committed == end for committed, end in lag.values()) and await self.all_ready()

    async def _all_answer(self, path: str) -> bool:
        for slot in self.wanted:
            if not slot.runs or slot.worker is None or (await slot.worker.ask(path))[0] != 200:
                return False
        return True

    def end(self) -> None:
        """Kill what still runs."""
        for slot in self.slots:
            slot.wanted = False
            if slot.worker is not None:
                slot.worker.process.kill()
                slot.worker.process.wait(10)
