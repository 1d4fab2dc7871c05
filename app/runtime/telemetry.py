"""Every metric of the monitor, and one method for each thing that happens.

Labels are bounded: partitions, reasons, error codes. Ids and organisations never become labels.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from app.domain.events import Anomalies

log = structlog.get_logger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, nothing that anybody reads

SHOWN_IDS, SHOWN_CHARACTERS = 3, 100
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Telemetry:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        started = "Start of this worker, in seconds since the epoch; totals count from then on"
        self._gauge("voicemon_start_time_seconds", started).set_to_current_time()
        self._accepted = self._counter("voicemon_events_accepted", "Events accepted for the first time")
        self._duplicates = self._counter("voicemon_events_duplicate", "Events whose id was accepted before")
        self._rejected = self._counter("voicemon_events_rejected", "Records refused", "reason")
        self._late = self._counter("voicemon_events_late", "Events stored but not counted live: their window is gone")
        self._anomalies = self._counter("voicemon_event_anomalies", "Odd parts of accepted events", "kind")
        self._stored = self._counter("voicemon_rows_stored", "Rows that ClickHouse has confirmed")
        self._refused = self._counter("voicemon_rows_refused", "Rows that ClickHouse refuses for good")
        self._insert_seconds = self._histogram("voicemon_insert_seconds", "Duration of confirmed inserts")
        self._store_errors = self._counter("voicemon_store_errors", "Failed writes, each tried again", "code")
        self._outage_seconds = self._counter("voicemon_sink_outage_seconds", "Time without a store, ended outages")
        self._flushed = self._counter("voicemon_changelog_records", "State records delivered to changelogs", "table")
        self._flush_seconds = self._histogram(
            "voicemon_changelog_flush_seconds", "Duration of a changelog flush", "table"
        )
        self._other_logs = self._counter(
            "voicemon_log_changes", "Partitions found to hold another log than was counted"
        )
        self._lost = self._counter("voicemon_records_lost", "Records deleted from the log before they were read")
        self._flush_failures = self._counter(
            "voicemon_changelog_failures", "Changelog flushes that failed, each tried again", "table"
        )
        self._lag = self._gauge("voicemon_lag_records", "Records appended but not yet counted", "partition")
        self._uncommitted = self._gauge(
            "voicemon_uncommitted_records", "Records counted but not yet committed", "partition"
        )
        self._backlog = self._gauge("voicemon_sink_backlog_bytes", "Rows accepted but not yet stored")
        self._blocked = self._gauge("voicemon_sink_blocked_seconds", "Time since the store stopped taking rows, else 0")
        self._remembered = self._gauge("voicemon_remembered_ids", "Event ids in the duplicate filter")
        self._paused = self._gauge(
            "voicemon_paused_for_rejects", "1 while too many refused records pause the partitions"
        )
        self._ready = self._gauge("voicemon_ready", "1 if every figure of this worker is complete and current")
        self._hours = self._counter("voicemon_rollup_hours", "Hours recomputed")
        self._rollup_failures = self._counter(
            "voicemon_rollup_failures", "Periods that could not be recomputed, tried again"
        )
        self._rollup_seconds = self._histogram("voicemon_rollup_seconds", "Duration of one roll-up run")
        self._names = self._counter("voicemon_organization_names", "Records with names of organisations stored")
        self._bad_names = self._counter(
            "voicemon_organization_names_rejected", "Records of voice-organizations that name no organisation"
        )
        self._full = self._gauge(
            "voicemon_full_windows", "Hours of partitions with as many organisations as are counted one by one"
        )
        self._known_full: set[tuple[int, int]] = set()
        self._overgrown = self._counter(
            "voicemon_overgrown_artifacts", "Artifact ids with more events than an artifact can have, given up"
        )
        self._oldest_event = self._gauge(
            "voicemon_oldest_event_age_seconds",
            "Age of the oldest event on disk by its timestamp, 0 without events; told by the owner of partition 0",
        )
        self._ttl_lag = self._gauge(
            "voicemon_ttl_lag_seconds",
            "How long rows stay on disk beyond their time to live, over all tables, 0 if none; told as the age is",
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=SECONDS)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def events_counted(self, accepted: int, duplicates: int, late: int) -> None:
        """A slice of the log was counted."""
        self._accepted.inc(accepted)
        self._duplicates.inc(duplicates)
        self._late.inc(late)

    def events_rejected(self, count: int, reason: str) -> None:
        """Records went to the dead-letter topic."""
        self._rejected.labels(reason).inc(count)

    def anomalies_found(self, found: Anomalies) -> None:
        """Accepted events had odd parts that were dropped or overruled."""
        for kind, count in msgspec.structs.asdict(found).items():
            if kind != "any_found" and count:
                self._anomalies.labels(kind).inc(count)

    def rows_stored(self, count: int, seconds: float) -> None:
        """ClickHouse confirmed rows."""
        self._stored.inc(count)
        self._insert_seconds.observe(seconds)

    def rows_refused(self, count: int) -> None:
        """ClickHouse refused rows that had passed validation."""
        self._refused.inc(count)
        log.error("ClickHouse refuses rows that passed validation; they are in the dead-letter topic", rows=count)

    def store_unavailable(self, code: str) -> None:
        """A write failed and will be tried again."""
        self._store_errors.labels(code).inc()

    def store_available(self, seconds: float) -> None:
        """The store takes rows again."""
        self._outage_seconds.inc(seconds)

    def state_flushed(self, table: str, records: int, seconds: float) -> None:
        """Changed state reached its changelog."""
        self._flushed.labels(table).inc(records)
        self._flush_seconds.labels(table).observe(seconds)

    def log_changed(self, partition: int, start: int) -> None:
        """A partition's log is not the one that was counted: it is counted from its start, from zero."""
        self._other_logs.inc()
        log.error(
            "The log of a partition is another one: its counters start from zero", partition=partition, start=start
        )

    def records_lost(self, partition: int, count: int, before_offset: int) -> None:
        """Records were deleted from the log before they were read."""
        self._lost.inc(count)
        log.error(
            "Records were deleted before they were read",
            partition=partition,
            count=count,
            first_offset=before_offset - count,
            last_offset=before_offset - 1,
        )

    def flush_failed(self, table: str, reason: str) -> None:
        """Kafka did not take changed state; nothing is committed, and the whole state is delivered later."""
        self._flush_failures.labels(table).inc()
        log.warning("Changelog not delivered, trying again", table=table, reason=reason)

    def progress(self, lag: Mapping[int, int], uncommitted: Mapping[int, int]) -> None:
        """How far each partition has been read and committed."""
        for gauge, values in ((self._lag, lag), (self._uncommitted, uncommitted)):
            gauge.clear()
            for partition, value in values.items():
                gauge.labels(str(partition)).set(value)

    def backlog(self, size_bytes: int, blocked_seconds: float) -> None:
        """What waits for the store."""
        self._backlog.set(size_bytes)
        self._blocked.set(blocked_seconds)

    def remembered_ids(self, count: int) -> None:
        """Size of the duplicate filter."""
        self._remembered.set(count)

    def windows_full(self, windows: set[tuple[int, int]], most_organizations: int) -> None:
        """Partitions and window starts in which further organisations are counted for the platform only."""
        self._full.set(len(windows))
        for partition, window_ms in sorted(windows - self._known_full):
            log.error(
                "Too many organisations in an hour: further ones are counted for the platform only; "
                "have the publisher send the ids of organisations",
                partition=partition,
                window_start=window_ms,
                most_organizations=most_organizations,
            )
        self._known_full = windows

    def paused_for_rejects(self, is_paused: bool) -> None:
        """Whether too many refused records hold the worker back."""
        self._paused.set(1 if is_paused else 0)

    def readiness(self, is_ready: bool) -> None:
        """Whether the worker is ready."""
        self._ready.set(1 if is_ready else 0)

    def rolled_up(self, hours: int, failures: int, seconds: float) -> None:
        """One roll-up run ended."""
        self._hours.inc(hours)
        self._rollup_failures.inc(failures)
        self._rollup_seconds.observe(seconds)

    def names_stored(self, count: int) -> None:
        """Names of organisations, or their deletions, reached ClickHouse."""
        self._names.inc(count)

    def name_rejected(self, partition: int, offset: int, reason: str) -> None:
        """A record of `voice-organizations` is left out."""
        self._bad_names.inc()
        log.warning("A record names no organisation", partition=partition, offset=offset, reason=reason)

    def artifacts_overgrown(self, artifact_ids: Sequence[str], most_events: int) -> None:
        """So many events carry these ids that no state of them is kept any more."""
        self._overgrown.inc(len(artifact_ids))
        log.error(
            "An artifact id is on more events than an artifact can have, so its state is kept no more; "
            "have the publisher send the ids of its artifacts",
            artifact_ids=[artifact_id[:SHOWN_CHARACTERS] for artifact_id in artifact_ids[:SHOWN_IDS]],
            count=len(artifact_ids),
            most_events=most_events,
        )

    def retention_seen(self, oldest_event_age_seconds: float, ttl_lag_seconds: float) -> None:
        """What lies on disk was looked at."""
        self._oldest_event.set(oldest_event_age_seconds)
        self._ttl_lag.set(ttl_lag_seconds)
