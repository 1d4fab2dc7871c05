"""Simulated publishers in a thread of their own."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from app.demo.summary import Published
from app.publisher import Publisher
from app.runtime.clock import Clock
from app.runtime.settings import KafkaSettings
from app.simulator import SimulationOptions, SimulationSummary, run_simulation

CLOSE_SECONDS = 10.0
CLOSE_SECONDS_INTERRUPTED = 2.0


class Publishing:
    """A simulation that runs from the construction until its end or `finish`."""

    def __init__(self, kafka: KafkaSettings, options: SimulationOptions, clock: Clock) -> None:
        self._publisher = Publisher(kafka.bootstrap, kafka.topic_prefix, security=kafka)
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._run: Future[SimulationSummary] = self._thread.submit(
            run_simulation, self._publisher, options, clock, self._stop
        )

    @property
    def is_done(self) -> bool:
        """Whether the simulation has ended."""
        return self._run.done()

    def finish(self, *, interrupted: bool) -> Published:
        """End the simulation, deliver what is in the buffer, and say what was published."""
        self._stop.set()
        simulated = self._run.result()
        report = self._publisher.close(CLOSE_SECONDS_INTERRUPTED if interrupted else CLOSE_SECONDS)
        return Published(simulated.distinct, simulated.duplicates, report.stats.delivered)

    def abandon(self) -> None:
        """End the simulation without waiting for deliveries; does nothing after `finish`."""
        self._stop.set()
        self._publisher.close(0)
        self._thread.shutdown()
