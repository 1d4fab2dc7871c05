"""What a contender is told, and what it measures of itself."""

import time
from pathlib import Path

import msgspec

from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import without_security
from app.runtime.settings import KafkaSettings, Settings


class Task(msgspec.Struct):
    """One measurement in a process of its own; `group` names it uniquely in the cluster.

    `database` is where its rows go, empty for one that stores none.
    `is_secured`: the brokers want the proof that the environment's settings hold, which no command line may show.
    """

    contender: str
    bootstrap: str
    prefix: str
    group: str
    events: int
    partitions: int
    seconds: float
    database: str = ""
    is_secured: bool = False

    def kafka(self) -> KafkaSettings:
        """How to reach the brokers."""
        settings = Settings.from_environment().kafka
        if self.is_secured:
            return settings.model_copy(update={"bootstrap": self.bootstrap})
        return without_security(settings, self.bootstrap)


class Sample(msgspec.Struct, rename="camel"):
    """The state of a run some seconds after its start: memory of the process, and ids in its duplicate filter."""

    seconds: float
    events: int
    rss_bytes: int
    remembered_ids: int


class Result(msgspec.Struct):
    """A measured run over the whole topic.

    `counted` events were handled in `seconds` after the clock had started, with `cpu_seconds` of this process.
    `accepted` is how many different events were found over all, `state_share` the part of the processor time that
    went into table and changelog (None where it cannot be told).
    """

    counted: int
    accepted: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    state_share: float | None = None
    samples: list[Sample] = []

    @property
    def events_per_second(self) -> float:
        """Speed; 0 where the log is so short that all of it came before the clock started."""
        return self.counted / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time for one event; 0 where none was counted after the clock had started."""
        return self.cpu_seconds / self.counted * 1e6 if self.counted else 0.0


class Lap:
    """Measures from the first events in hand to the last one counted; what came before the start is left out."""

    def __init__(self, events: int) -> None:
        self.events = events
        self._before = 0
        self._started: tuple[float, float] | None = None

    def start(self, before: int = 0) -> None:
        """Start the clock unless it runs; `before` events have been handled already."""
        if self._started is None:
            self._before = before
            self._started = time.perf_counter(), time.process_time()

    @property
    def elapsed(self) -> float:
        """Seconds since the start, 0 before it."""
        return time.perf_counter() - self._started[0] if self._started else 0.0

    def result(self, accepted: int, state_seconds: float | None = None) -> Result:
        """The measurement; call it when the last event is counted. Raises VoicemonError without a start."""
        cpu_end = time.process_time()
        if self._started is None:
            raise VoicemonError("the topic of the measurement is empty: fill it with at least one event")
        seconds, cpu_seconds = self.elapsed, cpu_end - self._started[1]
        return Result(
            counted=self.events - self._before,
            accepted=accepted,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_rss_bytes=peak_rss_bytes(),
            state_share=None if state_seconds is None else state_seconds / cpu_seconds if cpu_seconds else 0.0,
        )


def peak_rss_bytes() -> int:
    """Most memory that this process has had, 0 where the system does not tell."""
    # Not getrusage: after a fork its figure starts with the parent's peak.
    return _memory("VmHWM:")


def rss_bytes() -> int:
    """Memory that this process has now, 0 where the system does not tell."""
    return _memory("VmRSS:")


def _memory(name: str) -> int:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
