"""Recomputes the snapshots of closed hours and days whose events have changed; ClickHouse does the arithmetic."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from clickhouse_connect.driver.client import Client

from agents.dirty_hours import dirty_hours, known_hours
from app.runtime.clock import Clock
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import Settings
from sinks.clickhouse.client import StoreError, clear_errors
from sinks.clickhouse.templates import rollup_statement

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
# Bounds one statement's memory and its parameters, which travel in the URL.
PERIODS_PER_STATEMENT = 24
# A block becomes visible after its stored_at was taken, and the clocks of several servers differ.
OVERLAP_MS = 120_000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RollUpResult:
    """What one run computed: starts of periods in epoch milliseconds, ascending."""

    hours: tuple[int, ...]
    days: tuple[int, ...]
    failed: tuple[tuple[str, int], ...]
    rows_written: int
    seconds: float


class RollUpTelemetry(Protocol):
    """Told what happens in a run, for logs and metrics."""

    def snapshots_computed(self, result: RollUpResult) -> None:
        """One run is over."""
        ...

    def snapshot_failed(self, period_type: str, period_start_ms: int, reason: str) -> None:
        """One period could not be computed; the others go on, and it is tried again in the next run."""
        ...

    def periods_tried(self, period_type: str, tried: int, total: int) -> None:
        """So many of a run's hours, or of its days, have been computed or have failed."""
        ...


class LogOnly:
    """Telemetry that writes log lines and counts nothing."""

    def snapshots_computed(self, result: RollUpResult) -> None:
        """One run is over."""
        if result.hours or result.days:
            _log.info(
                "Computed snapshots.",
                hours=len(result.hours),
                days=len(result.days),
                rows=result.rows_written,
                seconds=round(result.seconds, 3),
            )

    def snapshot_failed(self, period_type: str, period_start_ms: int, reason: str) -> None:
        """One period could not be computed."""
        _log.error(
            "Could not compute a snapshot.", period_type=period_type, period_start=period_start_ms, reason=reason
        )

    def periods_tried(self, period_type: str, tried: int, total: int) -> None:
        """So many of a run's hours, or of its days, are behind it."""


@dataclass(frozen=True, slots=True)
class _Range:
    """Hours [from_s, to_s) and days [from_day_s, to_day_s) that may be computed; epoch seconds.

    No hour before `first_hour_s` can have figures.
    """

    first_hour_s: int
    from_s: int
    to_s: int
    from_day_s: int
    to_day_s: int


@dataclass(frozen=True, slots=True)
class _Look:
    """When a run looked for changes, by the store's clock, and the end of the hours that it looked at."""

    at_ms: int
    to_s: int

    def since_ms(self, to_s: int, settle_ms: int) -> int:
        """From which stored_at on the next run has to look at artifacts; all of them if it looks at further hours."""
        return 0 if to_s > self.to_s else self.at_ms - settle_ms - OVERLAP_MS


class RollUp:
    """Keeps hourly and daily snapshots equal to the stored events.

    Any number of runs, at once or after each other, gives the same single row per period and scope: a computation
    replaces the row of an earlier one.
    """

    def __init__(
        self, client: Client, settings: Settings, clock: Clock, telemetry: RollUpTelemetry | None = None
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry or LogOnly()
        self._looked = _Look(0, 0)

    def run_once(self, stored_until_ms: int) -> RollUpResult:
        """Compute every closed period that is missing or whose events have changed since.

        All records appended before `stored_until_ms` must be stored: an hour is closed when it ended before that and
        before now. A period that fails is reported and left for the next run. Raises SinkUnavailable if ClickHouse
        does not answer.
        """
        closed_s = min(stored_until_ms, self._clock.now_ms()) // 1000
        periods = self._range(0, closed_s, closed_s)
        now = _Look(int(self._query("store_time")[0][0]), periods.to_s)
        result = self._run(periods, everything=False, dry_run=False)
        if not result.failed:
            self._looked = now
        # Afterwards, and not beyond what failed: until then rows may be of the time when they were not complete.
        until_s = min([closed_s, *(start_ms // 1000 for _, start_ms in result.failed)])
        self._insert("closed", closed_s=until_s - until_s % HOUR_SECONDS)
        return result

    def recompute(self, from_ms: int, to_ms: int, *, dry_run: bool = False) -> RollUpResult:
        """Compute every hour within [from_ms, to_ms) that has ended and is not frozen, and the days they belong to.

        Changed or not; a dry run only says which. Raises SinkUnavailable if ClickHouse does not answer.
        """
        closed_s = self._clock.now_ms() // 1000
        hours = self._range(-(-from_ms // 1000), min(to_ms // 1000, closed_s), closed_s)
        return self._run(hours, everything=True, dry_run=dry_run)

    def compute_days(self, days_s: list[int]) -> list[int]:
        """Compute days, given by their starts in epoch seconds, out of their hours; those that succeeded.

        Raises SinkUnavailable if ClickHouse does not answer.
        """
        return self._compute_days(days_s, [])

    def frozen_until_ms(self) -> int:
        """Start of the first day whose events are all still on disk; earlier periods are never computed again.

        Raises SinkUnavailable if ClickHouse does not answer, StoreError if it refuses.
        """
        retention = self._settings.retention
        kept_ms = (retention.events_hours + retention.max_outage_hours) * HOUR_SECONDS * 1000
        gone_ms = max(0, self._clock.now_ms() - kept_ms)
        noted_ms = int(self._query("frozen_until")[0][0]) * 1000
        return max(gone_ms - gone_ms % (DAY_SECONDS * 1000), noted_ms)

    def retention_seconds(self) -> tuple[float, float]:
        """Age of the oldest event on disk, 0 without events, and how long rows outlive their time to live.

        Raises SinkUnavailable if ClickHouse does not answer, StoreError if it refuses.
        """
        [(oldest_ms, lag_seconds)] = self._query("retention")
        age_ms = max(0, self._clock.now_ms() - int(oldest_ms)) if oldest_ms else 0
        return age_ms / 1000, float(lag_seconds)

    def _range(self, from_s: int, to_s: int, closed_s: int) -> _Range:
        first_hour_s = int(self._query("first_hour")[0][0])
        start_s = max(from_s, first_hour_s, self.frozen_until_ms() // 1000)
        start_s = min(start_s + -start_s % HOUR_SECONDS, closed_s - closed_s % HOUR_SECONDS)
        end_s = max(start_s, to_s - to_s % HOUR_SECONDS)
        return _Range(
            first_hour_s=first_hour_s,
            from_s=start_s,
            to_s=end_s,
            from_day_s=start_s - start_s % DAY_SECONDS,
            to_day_s=min(end_s + -end_s % DAY_SECONDS, closed_s - closed_s % DAY_SECONDS),
        )

    def _run(self, periods: _Range, *, everything: bool, dry_run: bool) -> RollUpResult:
        began = time.monotonic()
        failed: list[tuple[str, int]] = []
        stored_ms = self._dirty_hours(periods, everything)
        hours = list(stored_ms)
        if not dry_run:
            hours = self._compute_hours(stored_ms, failed)
        days = self._dirty_days(periods, everything)
        if not dry_run:
            days = self._compute_days(days, failed)
        result = RollUpResult(
            hours=tuple(hour * 1000 for hour in hours),
            days=tuple(day * 1000 for day in days),
            failed=tuple(failed),
            rows_written=0 if dry_run else self._count("hourly_rows", hours) + self._count("daily_rows", days),
            seconds=time.monotonic() - began,
        )
        if not dry_run:
            self._telemetry.snapshots_computed(result)
        return result

    def _dirty_hours(self, periods: _Range, everything: bool) -> dict[int, int]:
        if everything:
            return {
                hour.hour_s: stored_ms for hour, stored_ms in known_hours(self._query, periods.from_s, periods.to_s)
            }
        since_ms = self._looked.since_ms(periods.to_s, self._settle_ms)
        return dirty_hours(self._query, periods.from_s, periods.to_s, self._settle_ms, since_ms)

    def _dirty_days(self, periods: _Range, everything: bool) -> list[int]:
        rows = self._query(
            "dirty_days",
            from_s=periods.from_day_s,
            to_s=max(periods.from_day_s, periods.to_day_s),
            first_hour_s=periods.first_hour_s,
            settle_ms=self._settle_ms,
            everything=everything,
        )
        return [int(row[0]) for row in rows]

    def _compute_hours(self, stored_ms: dict[int, int], failed: list[tuple[str, int]]) -> list[int]:
        def compute(hours: Sequence[int]) -> None:
            self._insert(
                "hourly",
                hours=list(hours),
                stored_ms=[stored_ms[hour] for hour in hours],
                from_ms=hours[0] * 1000,
                to_ms=(hours[-1] + HOUR_SECONDS) * 1000,
            )

        return self._in_chunks("hourly", list(stored_ms), compute, failed)

    def _compute_days(self, days: list[int], failed: list[tuple[str, int]]) -> list[int]:
        return self._in_chunks("daily", days, lambda chunk: self._insert("daily", days=list(chunk)), failed)

    def _in_chunks(
        self,
        period_type: str,
        starts: list[int],
        compute: Callable[[Sequence[int]], None],
        failed: list[tuple[str, int]],
    ) -> list[int]:
        """Compute the periods some at a time, and one by one where that fails; those that succeeded."""
        done: list[int] = []
        for first in range(0, len(starts), PERIODS_PER_STATEMENT):
            chunk = starts[first : first + PERIODS_PER_STATEMENT]
            try:
                compute(chunk)
                done += chunk
            except (StoreError, SinkUnavailable):
                done += self._one_by_one(period_type, chunk, compute, failed)
            self._telemetry.periods_tried(period_type, first + len(chunk), len(starts))
        return done

    def _one_by_one(
        self,
        period_type: str,
        starts: list[int],
        compute: Callable[[Sequence[int]], None],
        failed: list[tuple[str, int]],
    ) -> list[int]:
        done = []
        for start in starts:
            try:
                compute([start])
                done.append(start)
            except (StoreError, SinkUnavailable) as error:
                # A statement that takes longer than a request may looks like a store that does not answer. If that is
                # what it is, this says so again.
                self.frozen_until_ms()
                failed.append((period_type, start * 1000))
                self._telemetry.snapshot_failed(period_type, start * 1000, str(error))
        return done

    def _count(self, statement: str, starts: list[int]) -> int:
        return sum(
            int(self._query(statement, starts=starts[first : first + PERIODS_PER_STATEMENT])[0][0])
            for first in range(0, len(starts), PERIODS_PER_STATEMENT)
        )

    @property
    def _settle_ms(self) -> int:
        return round(self._settings.rollup.settle_seconds * 1000)

    def _query(self, statement: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        with clear_errors(self._settings.clickhouse):
            return self._client.query(rollup_statement(statement), parameters=parameters).result_rows

    def _insert(self, statement: str, **parameters: Any) -> None:
        with clear_errors(self._settings.clickhouse):
            self._client.command(rollup_statement(statement), parameters=parameters)
