"""What the read-only user's statements may cost, as in deploy/clickhouse: a default for each limit, and its bounds.

The user may change a limit within its bounds: Grafana's driver sends max_execution_time with every query. For
ClickHouse 0 means no limit, so it is out of bounds. Its statements are short, so none is compiled by default.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.local.clickhouse_errors import SETTING_OUT_OF_BOUNDS, QueryRefused
from app.runtime.compilers import COMPILERS


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit's default and the largest value that the user may give."""

    default: int
    largest: int


LIMITS = {
    "max_execution_time": Limit(30, 300),
    "max_memory_usage": Limit(1_000_000_000, 1_000_000_000),
    "max_rows_to_read": Limit(1_000_000_000, 1_000_000_000),
    "max_result_rows": Limit(1_000_000, 1_000_000),
}
DEFAULTS = {name: str(limit.default) for name, limit in LIMITS.items()} | dict.fromkeys(COMPILERS, "0")


def check_limits(changes: Iterable[tuple[str, str]]) -> None:
    """Raises QueryRefused (452) if a setting is beyond what the read-only user may give it."""
    for name, value in changes:
        limit = LIMITS.get(name)
        if limit is not None and not 1 <= _number(value) <= limit.largest:
            raise QueryRefused(
                SETTING_OUT_OF_BOUNDS, f"Setting {name} should be between 1 and {limit.largest} for this user."
            )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0
