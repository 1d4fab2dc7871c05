"""Time as a parameter: everything that asks for the time is handed a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of the current time; tests pass a manual one."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        ...


class SystemClock:
    """The host's wall clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000
