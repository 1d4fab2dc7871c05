"""A whole worker of ours: Faust app, tables and changelogs, commits, views; only the rows are not stored."""

import time
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

from aiokafka.producer.sender import Sender

from app.bench.lap import Lap, Result, Task
from app.bench.worker import LapTelemetry, run_worker, worker_settings
from app.runtime.follower import ChangelogFollower
from app.runtime.state_table import StateTable
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen

P = ParamSpec("P")
R = TypeVar("R")


class CountedTelemetry(LapTelemetry):
    """The clock starts with the first slice and stops with the last."""

    def __init__(self, lap: Lap) -> None:
        super().__init__(lap)
        self.stopwatch = Stopwatch()

    def events_counted(self, accepted: int, duplicates: int, late: int) -> None:
        """A slice of the log was counted."""
        super().events_counted(accepted, duplicates, late)
        self.lap.start(before=self.seen)
        if self.seen >= self.lap.events:
            self.finish(self.lap.result(self.accepted, self.stopwatch.seconds))


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
    telemetry = CountedTelemetry(Lap(task.events))
    watch_state(telemetry.stopwatch)
    return await run_worker(task, worker_settings(task, {"ingest": {"store_rows": False}}), telemetry)
