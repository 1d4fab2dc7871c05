"""getRealTimeMetrics: the eight live counters, read from the counters table alone."""

from typing import Protocol

from app.domain.counters import RESULT_FIELDS
from app.domain.windows import HOUR_MS, MINUTE_MS

TRAILING_MINUTES = 60


class CounterTotals(Protocol):
    """What is needed of the counters table."""

    def totals(self, organization_id: str | None, first_minute: int, last_minute: int) -> list[int]:
        """The eight counters over whole minutes, both ends included, numbered since the epoch."""
        ...

    def refused(self, organization_id: str | None, window_start_ms: int) -> list[int]:
        """The same of one window, of events that are counted and have no row because the store refused it."""
        ...


def real_time_metrics(table: CounterTotals, organization_id: str | None, now_ms: int) -> dict[str, object]:
    """The eight fields of the current UTC hour, its bounds, and the same fields over the trailing 60 minutes.

    Without an organisation: platform-wide. The trailing figures take the current minute and the 59 before it. Where
    the store has refused rows of events in the current hour, `refusedByStore` has their numbers.
    """
    window_start = now_ms - now_ms % HOUR_MS
    hour_minute, minute = window_start // MINUTE_MS, now_ms // MINUTE_MS
    hour = table.totals(organization_id, hour_minute, hour_minute + TRAILING_MINUTES - 1)
    trailing = table.totals(organization_id, minute - TRAILING_MINUTES + 1, minute)
    refused = table.refused(organization_id, window_start)
    marks = {"refusedByStore": dict(zip(RESULT_FIELDS, refused, strict=True))} if any(refused) else {}
    scope = {} if organization_id is None else {"organizationId": organization_id}
    return {
        **scope,
        **dict(zip(RESULT_FIELDS, hour, strict=True)),
        "windowStart": window_start,
        "windowEnd": window_start + HOUR_MS,
        "last60Minutes": dict(zip(RESULT_FIELDS, trailing, strict=True)),
        **marks,
    }
