"""Stretches of time that questions to the events are about."""

from app.domain.windows import HOUR_MS
from app.queries.fields import RangeParameters

DAY_HOURS = 24
KEPT_HOURS = 48


def span(parameters: RangeParameters, now_ms: int, hours: int = DAY_HOURS) -> dict[str, int | str]:
    """What a statement needs of a range; without bounds the last `hours` up to now.

    Both ends of the range are included, `end_ms` is behind it.
    """
    end_ms = now_ms if parameters.end_time is None else parameters.end_time
    start_ms = max(0, end_ms - hours * HOUR_MS) if parameters.start_time is None else parameters.start_time
    return {
        "now_ms": now_ms,
        "start_ms": start_ms,
        "end_ms": end_ms + 1,
        "organization_id": parameters.organization_id or "",
    }
