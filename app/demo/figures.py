"""What the demo shows while it runs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from clickhouse_connect.driver.client import Client
from prometheus_client.parser import text_string_to_metric_families

from app.demo.worker_process import WorkerProcess
from app.queries.history import Snapshot, historical_metrics
from app.runtime.clock import Clock
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings
from app.runtime.worker_client import WorkerUnavailable
from sinks.clickhouse.client import StoreError, clear_errors

SNAPSHOTS = 3
SNAPSHOT_SECONDS = 5.0
SNAPSHOT_MS = 49 * 3_600_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals of a worker since `started`, in seconds since the epoch, and how many records it is behind."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    stored: int = 0
    lag: int = 0
    started: float = 0.0

    @property
    def records(self) -> int:
        """Records taken from the log."""
        return self.accepted + self.duplicates + self.rejected

    def since(self, earlier: "Counts") -> "Counts":
        """What was added since; the lag stays as it is."""
        return Counts(
            self.accepted - earlier.accepted,
            self.duplicates - earlier.duplicates,
            self.rejected - earlier.rejected,
            self.stored - earlier.stored,
            self.lag,
            self.started,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the worker and the store; the eight counters by name, `notice` says what is not as it should be.

    `counts` are of this run, after `restarts` of the worker of its last process.
    """

    hour: Mapping[str, int]
    last_60_minutes: Mapping[str, int]
    counts: Counts
    events_per_second: float
    snapshots: tuple[Snapshot, ...] = ()
    notice: str = ""
    restarts: int = 0


def read_counts(worker: WorkerProcess) -> Counts:
    """The worker's totals. Raises WorkerUnavailable if it does not answer."""
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(worker.client.text("/metrics")):
        if family.type in {"counter", "gauge"}:
            totals[family.name] = sum(sample.value for sample in family.samples)
    return Counts(
        int(totals["voicemon_events_accepted"]),
        int(totals["voicemon_events_duplicate"]),
        int(totals.get("voicemon_events_rejected", 0)),
        int(totals["voicemon_rows_stored"]),
        int(totals.get("voicemon_lag_records", 0)),
        totals["voicemon_start_time_seconds"],
    )


class Looker:
    """Takes `Figures`; counts are since its construction, or since the worker's last start."""

    def __init__(self, worker: WorkerProcess, store: Client, settings: ClickHouseSettings, clock: Clock) -> None:
        self._worker, self._store, self._settings, self._clock = worker, store, settings, clock
        self._before = read_counts(worker)
        self._restarts = 0
        self._last = Figures({}, {}, Counts(), 0.0)
        self._looked_at = time.monotonic()
        self._snapshots: tuple[Snapshot, ...] = ()
        self._snapshots_at = float("-inf")

    def look(self) -> Figures:
        """The figures now; the last ones with a notice while the worker or the store cannot answer.

        Raises VoicemonError if the worker has ended.
        """
        self._worker.check()
        try:
            self._last = self._look()
        except (WorkerUnavailable, SinkUnavailable, StoreError) as error:
            self._last = replace(self._last, notice=str(error))
        return self._last

    def _look(self) -> Figures:
        live = self._worker.client.json("/api/v1/metrics/realtime")
        counts, now = self._counts(), time.monotonic()
        rate = max(counts.records - self._last.counts.records, 0) / max(now - self._looked_at, 0.001)
        self._looked_at = now
        if now - self._snapshots_at >= SNAPSHOT_SECONDS:
            self._snapshots, self._snapshots_at = self._read_snapshots(), now
        trailing = live["last60Minutes"]
        hour = {name: live[name] for name in trailing}
        notice = "figures are behind the log" if live["stale"] else ""
        return Figures(hour, trailing, counts, rate, self._snapshots, notice, self._restarts)

    def _counts(self) -> Counts:
        counts = read_counts(self._worker)
        if counts.started != self._before.started:
            self._before, self._restarts = Counts(started=counts.started), self._restarts + 1
        return counts.since(self._before)

    def _read_snapshots(self) -> tuple[Snapshot, ...]:
        now_ms = self._clock.now_ms()
        with clear_errors(self._settings):
            found = historical_metrics(self._store, "hourly", now_ms - SNAPSHOT_MS, now_ms, None, now_ms)
        return tuple(found[-SNAPSHOTS:])
