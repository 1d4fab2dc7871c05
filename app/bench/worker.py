"""Runs a worker of ours on the log of a measurement until its telemetry says that it is done."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.bench.lap import Lap, Result, Task
from app.runtime.settings import Settings
from app.runtime.telemetry import Telemetry
from app.worker import Worker


class LapTelemetry(Telemetry):
    """Counts what is counted; a subclass starts the lap and sets the result of `finished`."""

    def __init__(self, lap: Lap) -> None:
        super().__init__()
        self.lap = lap
        self.accepted = self.seen = 0
        self.finished: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def events_counted(self, accepted: int, duplicates: int, late: int) -> None:
        """A slice of the log was counted."""
        super().events_counted(accepted, duplicates, late)
        self.accepted += accepted
        self.seen += accepted + duplicates

    def finish(self, result: Result) -> None:
        """The measurement is over; only the first result counts."""
        if not self.finished.done():
            self.finished.set_result(result)


async def run_worker(task: Task, settings: Settings, telemetry: LapTelemetry) -> Result:
    """The telemetry's result. Raises what the worker raises, TimeoutError after the task's time."""
    stop = asyncio.Event()
    work = asyncio.create_task(Worker(settings, telemetry=telemetry).run(stop))
    try:
        ends: set[asyncio.Future[Any]] = {work, telemetry.finished}
        await asyncio.wait(ends, timeout=task.seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        return await asyncio.wait_for(telemetry.finished, 0.1)
    finally:
        stop.set()
        await work


def worker_settings(task: Task, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The defaults with the changes, on the topic of the measurement; the views listen on any free port."""
    settings = Settings.model_validate({"web": {"port": 0}, **changes})
    topic = {"topic_prefix": task.prefix, "group": task.group, "partitions": task.partitions}
    return settings.model_copy(update={"kafka": task.kafka().model_copy(update=topic)})
