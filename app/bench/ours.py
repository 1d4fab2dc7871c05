"""A whole worker of ours: Faust app, tables and changelogs, commits, views; only the rows are not stored."""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

from aiokafka.producer.sender import Sender

from app.bench.lap import Lap, Result, Task
from app.runtime.follower import ChangelogFollower
from app.runtime.settings import Settings
from app.runtime.state_table import StateTable
from app.runtime.telemetry import Telemetry
from app.worker import Worker
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen

P = ParamSpec("P")
R = TypeVar("R")


class LapTelemetry(Telemetry):
    """Counts what is counted: the clock starts with the first slice and stops with the last."""

    def __init__(self, lap: Lap) -> None:
        super().__init__()
        self.accepted = 0
        self.seen = 0
        self.lap = lap
        self.stopwatch = Stopwatch()
        self.finished: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def events_counted(self, accepted: int, duplicates: int, late: int) -> None:
        """A slice of the log was counted."""
        super().events_counted(accepted, duplicates, late)
        self.accepted += accepted
        self.seen += accepted + duplicates
        self.lap.start(before=self.seen)
        if self.seen >= self.lap.events and not self.finished.done():
            self.finished.set_result(self.lap.result(self.accepted, self.stopwatch.seconds))


class Stopwatch:
    """Processor time of functions and of the steps of coroutines in one thread; nested calls count once.

    Not the clock: on a busy machine that would count the work of others.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def watch(self, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, timed."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.step(lambda: function(*args, **kwargs))

        return timed

    def watch_steps(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same coroutine function, timed between its waits."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            return _Steps(function(*args, **kwargs), self).run()

        return timed

    def step(self, call: Callable[[], R]) -> R:
        """What the call gives, timed."""
        started = time.thread_time()
        self._depth += 1
        try:
            return call()
        finally:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.thread_time() - started


class _Steps:
    """Drives a coroutine and times each of its steps."""

    def __init__(self, coroutine: Any, watch: Stopwatch) -> None:
        self._coroutine, self._watch = coroutine, watch

    async def run(self) -> Any:
        return await self

    def __await__(self) -> Generator[Any, Any, Any]:
        step = self._watch.step
        try:
            waits_for = step(lambda: self._coroutine.send(None))
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001 - cancellation belongs to the coroutine
                    waits_for = step(lambda error=error: self._coroutine.throw(error))  # type: ignore[misc]
                else:
                    waits_for = step(lambda sent=sent: self._coroutine.send(sent))  # type: ignore[misc]
        except StopIteration as end:
            return end.value


def watch_state(watch: Stopwatch) -> None:
    """Time whatever writes to tables and changelogs, down to the compressed request to the broker."""
    state: list[tuple[type, str]] = [(PartitionSeen, "remember")]
    state += [(PartitionCounters, name) for name in ("apply", "follow", "is_foreign")]
    for owner, name in state:
        setattr(owner, name, watch.watch(getattr(owner, name)))
    steps: list[tuple[type, str]] = [(StateTable, "flush"), (Sender, "_send_produce_req"), (ChangelogFollower, "run")]
    for owner, name in steps:
        setattr(owner, name, watch.watch_steps(getattr(owner, name)))


async def count_with_ours(task: Task) -> Result:
    """Events counted by a worker as `voicemon worker` runs it, with `ingest.store_rows` off."""
    telemetry = LapTelemetry(Lap(task.events))
    watch_state(telemetry.stopwatch)
    stop = asyncio.Event()
    work = asyncio.create_task(Worker(ours_settings(task), telemetry=telemetry).run(stop))
    try:
        ends: set[asyncio.Future[Any]] = {work, telemetry.finished}
        await asyncio.wait(ends, timeout=task.seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        return await asyncio.wait_for(telemetry.finished, 0.1)
    finally:
        stop.set()
        await work


def ours_settings(task: Task) -> Settings:
    """The defaults, on the topic of the measurement; the views listen on any free port."""
    settings = Settings.model_validate({"ingest": {"store_rows": False}, "web": {"port": 0}})
    topic = {"topic_prefix": task.prefix, "group": task.group, "partitions": task.partitions}
    return settings.model_copy(update={"kafka": task.kafka().model_copy(update=topic)})
