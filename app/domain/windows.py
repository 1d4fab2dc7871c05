"""Tumbling windows: aligned to the Unix epoch, UTC, half-open."""

from datetime import UTC, datetime
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


def window_start_ms(event_time_ms: int, size_ms: int = HOUR_MS) -> int:
    """Start of the window that holds the event.

    Both in milliseconds; times before 1970 belong to the window that starts before them.
    Raises ValueError if `size_ms` is not positive.
    """
    if size_ms <= 0:
        raise ValueError("the size of a window must be positive")
    return event_time_ms - event_time_ms % size_ms


def time_window(event_time_ms: int) -> str:
    """UTC hour of the time as `YYYY-MM-DD-HH`, whatever the host's time zone is.

    Raises ValueError or OverflowError outside the years 1 to 9999; accepted events lie near their append time.
    """
    return datetime.fromtimestamp(event_time_ms // 1000, UTC).isoformat()[:13].replace("T", "-")
