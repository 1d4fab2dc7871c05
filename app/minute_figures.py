"""Keeps the figures of single minutes up to date with the stored events while a worker runs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from app.domain.windows import HOUR_MS, MINUTE_MS
from app.duty import IsOnDuty
from app.keeping import Pace, keep_up
from app.queries.known_minutes import minutes_statement
from app.queries.spans import KEPT_HOURS
from app.queries.statements import statement
from app.runtime.clock import Clock
from app.runtime.settings import Settings
from sinks.clickhouse.client import DURABLE_INSERT, clear_errors

PACE: Final = Pace(shortest=5.0, times=20, longest=300.0)
MINUTES_OF_A_STATEMENT: Final = 60
FIRST_LOOK_MS: Final = 24 * HOUR_MS
OVERLAP_MS: Final = 120_000
MINUTE_SECONDS: Final = MINUTE_MS // 1000
SLICE_ROWS: Final = 500_000
"""Rows of late artifacts that one statement looks at: that many fit into memory, whatever the number of all."""


class StoredMinute(NamedTuple):
    """What the store knows of a minute, in the order of `minutes_stored.sql`; times in milliseconds, 0 for never."""

    minute_s: int
    stored_ms: int
    computed_ms: int
    input_ms: int
    is_whole: bool
    now_ms: int

    def is_due(self, late_ms: int, settle_ms: int) -> bool:
        """Whether it is to be worked out; `late_ms` is when an artifact of its events last got one late, 0 for never.

        Both that one and the minute's latest row must have settled: a block becomes visible after its stored_at was
        taken.
        """
        if self.now_ms < max(self.stored_ms, late_ms) + settle_ms:
            return False
        return (
            not self.computed_ms
            or not self.is_whole
            or self.stored_ms > self.input_ms
            or self.computed_ms < late_ms + settle_ms
        )


class MinuteFigures:
    """Works out the minutes whose events have settled; any number of them at once write the same rows."""

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._settle_ms = round(settings.rollup.settle_seconds * 1000)
        self._looked_ms: int | None = None

    def run_once(self) -> int:
        """Number of minutes worked out: all of the visible ones that are missing or have changed.

        Raises SinkUnavailable if ClickHouse does not answer, StoreError if it refuses; then the next run begins where
        this one did.
        """
        with clear_errors(self._settings.clickhouse):
            [(store_ms,)] = self._client.query("SELECT toUnixTimestamp64Milli(now64(3, 'UTC'))").result_rows
            due = self._due(store_ms)
            for minutes in _together(sorted(due)):
                self._compute(minutes, [due[minute] for minute in minutes])
            self._looked_ms = store_ms
        return len(due)

    def close(self) -> None:
        """The connection is closed."""
        self._client.close()

    def _due(self, store_ms: int) -> dict[int, int]:
        """Minutes to work out, in epoch seconds, with the time of their latest row in milliseconds."""
        now_ms = self._clock.now_ms()
        from_ms = max(0, now_ms - min(KEPT_HOURS, self._settings.retention.events_hours) * HOUR_MS)
        # A minute that is hidden in part would be worked out for its visible events only.
        from_s, to_s = -(-from_ms // MINUTE_MS) * MINUTE_SECONDS, now_ms // 1000
        late = self._late(store_ms, from_s)
        asked = {"from_s": from_s, "to_s": to_s, "all": bool(late)}
        rows = self._client.query(statement("minutes_stored"), parameters=asked).result_rows
        known = (StoredMinute(*row) for row in rows)
        return {
            minute.minute_s: minute.stored_ms
            for minute in known
            if minute.is_due(late.get(minute.minute_s, 0), self._settle_ms)
        }

    def _late(self, store_ms: int, from_s: int) -> dict[int, int]:
        """Minutes whose artifacts lately got a late event, in epoch seconds, with when they did in milliseconds."""
        overlap_ms = FIRST_LOOK_MS if self._looked_ms is None else self._settle_ms + OVERLAP_MS
        since_ms = (store_ms if self._looked_ms is None else self._looked_ms) - overlap_ms
        [(rows,)] = self._client.query(
            "SELECT count() FROM late_artifacts WHERE stored_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')",
            parameters={"since_ms": since_ms},
        ).result_rows
        late: dict[int, int] = {}
        slices = -(-rows // SLICE_ROWS)
        for number in range(slices):
            asked = {"from_s": from_s, "since_ms": since_ms, "slices": slices, "slice": number}
            for minute_s, late_ms in self._client.query(statement("minutes_late"), parameters=asked).result_rows:
                late[minute_s] = max(late.get(minute_s, 0), late_ms)
        return late

    def _compute(self, minutes: Sequence[int], stored_ms: Sequence[int]) -> None:
        values: dict[str, Any] = {
            "now_ms": self._clock.now_ms(),
            "organization_id": "",
            "start_ms": minutes[0] * 1000,
            "end_ms": minutes[-1] * 1000 + MINUTE_MS,
            "size_ms": MINUTE_MS,
            "minutes": list(minutes),
            "stored_ms": list(stored_ms),
        }
        self._client.command(minutes_statement(), parameters=values, settings=dict(DURABLE_INSERT))


def _together(minutes: Sequence[int]) -> Iterator[Sequence[int]]:
    """The minutes in groups that lie close to each other."""
    group: list[int] = []
    for minute in minutes:
        if group and minute - group[0] >= MINUTES_OF_A_STATEMENT * MINUTE_SECONDS:
            yield group
            group = []
        group.append(minute)
    if group:
        yield group


async def keep_minutes(settings: Settings, clock: Clock, is_on_duty: IsOnDuty) -> None:
    """Work out minutes soon after their events are stored, while on duty, for ever.

    While ClickHouse does not answer nothing is lost: the next run finds the same minutes.
    """
    complaint = "Minutes not worked out, trying again"
    store = settings.clickhouse
    await keep_up(store, lambda client: MinuteFigures(client, settings, clock), PACE, complaint, is_on_duty)
