"""Stretches of time that questions to the events are about."""

from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.fields import RangeParameters

DAY_HOURS = 24
KEPT_HOURS = 48


def span(parameters: RangeParameters, now_ms: int, hours: int = DAY_HOURS) -> dict[str, int | str]:
    """What a statement needs of a range; without bounds the last `hours` up to now, in whole minutes.

    Both ends of the range are included, `end_ms` is behind it.
    """
    end_ms = now_ms if parameters.end_time is None else parameters.end_time
    first_minute_ms = end_ms - end_ms % MINUTE_MS + MINUTE_MS - hours * HOUR_MS
    start_ms = max(0, first_minute_ms) if parameters.start_time is None else parameters.start_time
    return {
        "now_ms": now_ms,
        "start_ms": start_ms,
        "end_ms": end_ms + 1,
        "organization_id": parameters.organization_id or "",
    }
