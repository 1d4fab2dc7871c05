"""Log lines of the publisher at a bounded rate: they land in somebody else's log."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.publisher.buffer import CloseReport
from app.publisher.records import DropReason

REPEAT_SECONDS = 30.0
# The library under us repeats itself with every attempt while a broker is away.
NOISY_LOGGERS = ("aiokafka", "aiokafka.client", "aiokafka.cluster", "aiokafka.conn", "aiokafka.producer.sender")

log = logging.getLogger("voicemon.publisher")


class Throttle:
    """Lets one line of each kind through per interval and counts the others."""

    def __init__(self, interval_seconds: float = REPEAT_SECONDS) -> None:
        self._interval = interval_seconds
        self._next: dict[object, float] = {}
        self._held: dict[object, int] = {}

    def admit(self, kind: object) -> int | None:
        """Number of lines held back since the last one of this kind, or None if this one is held back too."""
        now = time.monotonic()
        if now < self._next.get(kind, 0.0):
            self._held[kind] = self._held.get(kind, 0) + 1
            return None
        self._next[kind] = now + self._interval
        return self._held.pop(kind, 0)


class Reports:
    """One method per occurrence."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._throttle = Throttle()

    def event_dropped(self, reason: DropReason, detail: str = "") -> None:
        """An event was not taken."""
        held = self._throttle.admit(reason)
        if held is not None:
            log.warning("event for %s dropped: %s %s (%d more before)", self._topic, reason, detail[:200], held)

    def connection_replaced(self, detail: str) -> None:
        """The connection did not work; the events stay in the buffer."""
        held = self._throttle.admit("connection")
        if held is not None:
            log.warning("publishing to %s is held up, retrying: %s (%d more before)", self._topic, detail, held)

    def events_lost(self, report: CloseReport) -> None:
        """The publisher was closed with undelivered events."""
        log.error("publisher for %s closed with %d undelivered events", self._topic, report.undelivered)


class _OneThreadFilter(logging.Filter):
    """Holds back repeated lines that come from one thread; others pass."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._throttle = Throttle()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        return self._throttle.admit((record.name, record.msg)) is not None


@contextmanager
def quiet_library() -> Iterator[None]:
    """Bound the log lines that the Kafka library writes from this thread."""
    one_thread = _OneThreadFilter()
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    for logger in loggers:
        logger.addFilter(one_thread)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(one_thread)
