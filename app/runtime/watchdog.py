"""Notices that a worker which should read does not: clients can die without an error, and nothing moves then."""

from collections.abc import Callable

from app.runtime.errors import VoicemonError


class Standstill(VoicemonError):
    """There are records to read, nothing holds the worker back, and none has been read for a long time."""


class Watchdog:
    """Watches one count that must grow while there is work; `now` gives seconds of a clock that only goes on."""

    def __init__(self, patience_seconds: float, now: Callable[[], float]) -> None:
        self._patience_seconds = patience_seconds
        self._now = now
        self._count = -1
        self._since = now()

    def look(self, count: int, should_grow: bool) -> None:
        """Compare with the last look. Raises Standstill once the count should have grown for the whole patience."""
        now = self._now()
        if count != self._count or not should_grow:
            self._count, self._since = count, now
        elif now - self._since > self._patience_seconds:
            raise Standstill(
                f"no record was read for {now - self._since:.0f} s although there are some: start the worker again, "
                "or use 'voicemon worker --supervise', and look at the log of the broker"
            )
