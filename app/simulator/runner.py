"""Sends a simulation's records when they are due."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.runtime.clock import Clock
from app.simulator.options import SimulationOptions
from app.simulator.timeline import Scheduled, Timeline

# Shorter waits would cost more than the work between them.
TICK_MS = 5


class Target(Protocol):
    """Where events go; `app.publisher.Publisher` is one."""

    def publish(self, event: Mapping[str, object]) -> bool:
        """Whether the event was taken."""
        ...


class Stop(Protocol):
    """Ends a simulation early; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait that many seconds or until set; whether it is set."""
        ...


@dataclass(frozen=True, slots=True)
class SimulationSummary:
    """What was sent: published = distinct + duplicates; `dropped` events were refused by the target and not sent."""

    published: int
    distinct: int
    duplicates: int
    late: int
    dropped: int
    artifacts: int
    unfinished_artifacts: int
    seconds: float
    by_type: Mapping[str, int]


@dataclass(slots=True)
class _Tally:
    distinct: int = 0
    duplicates: int = 0
    late: int = 0
    dropped: int = 0
    by_type: Counter[str] = field(default_factory=Counter)

    def add(self, scheduled: Scheduled, taken: bool) -> None:
        if not taken:
            self.dropped += 1
        elif scheduled.is_duplicate:
            self.duplicates += 1
        else:
            self.distinct += 1
            self.late += scheduled.is_late
            self.by_type[str(scheduled.event["eventType"])] += 1


def run_simulation(publisher: Target, options: SimulationOptions, clock: Clock, stop: Stop) -> SimulationSummary:
    """Publish a whole simulation in real time and say what was sent.

    Ends after `options.seconds`, or when `stop` is set; the publisher stays open and may still hold events.
    """
    start_ms = clock.now_ms()
    timeline = Timeline(options, start_ms)
    tally = _Tally()
    for scheduled in timeline:
        wait_ms = scheduled.send_at_ms - clock.now_ms()
        if (wait_ms > 0 and stop.wait(max(wait_ms, TICK_MS) / 1000)) or stop.is_set():
            break
        tally.add(scheduled, publisher.publish(scheduled.event))
    return SimulationSummary(
        published=tally.distinct + tally.duplicates,
        distinct=tally.distinct,
        duplicates=tally.duplicates,
        late=tally.late,
        dropped=tally.dropped,
        artifacts=timeline.artifacts,
        unfinished_artifacts=timeline.unfinished,
        seconds=(clock.now_ms() - start_ms) / 1000,
        by_type=dict(sorted(tally.by_type.items())),
    )
