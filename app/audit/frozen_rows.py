"""Rows of periods that are never computed again: stored, and in no snapshot."""

from collections.abc import Mapping

from agents.roll_up import RollUp
from app.runtime.clock import Clock
from app.runtime.settings import Settings
from sinks.clickhouse.client import clear_errors, connect

_LATE = """
SELECT toUnixTimestamp(toStartOfHour(ts)) * 1000 AS hour_ms, count()
FROM (SELECT ts, stored_at FROM events FINAL WHERE ts < fromUnixTimestamp64Milli({frozen_ms:Int64}, 'UTC')) AS e
LEFT JOIN (
    SELECT periodStart, argMax(input_max_stored, computed_at) AS input
    FROM snapshots_hourly
    WHERE scope = 'platform'
    GROUP BY periodStart
) AS computed ON computed.periodStart = toStartOfHour(e.ts)
WHERE e.stored_at > computed.input
GROUP BY hour_ms
ORDER BY hour_ms"""


def frozen_rows(settings: Settings, clock: Clock) -> Mapping[int, int]:
    """How many rows came after the last snapshot of their hour, by the start of frozen hours that have some.

    Raises SinkUnavailable or StoreError.
    """
    client = connect(settings.clickhouse)
    try:
        frozen_ms = RollUp(client, settings, clock).frozen_until_ms()
        with clear_errors(settings.clickhouse):
            rows = client.query(_LATE, parameters={"frozen_ms": frozen_ms}).result_rows
        return {int(hour_ms): int(late) for hour_ms, late in rows}
    finally:
        client.close()
