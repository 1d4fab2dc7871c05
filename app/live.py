"""What a running worker can say about itself: readiness, freshness, tables, gauges."""

from app.main import Parts
from app.runtime.broker import changelog_name
from app.runtime.clock import Clock
from app.runtime.ranges import Progress
from app.runtime.settings import Settings
from app.runtime.telemetry import Telemetry
from app.web.contract import TableInfo, TablePartition
from tables.counters import CountersTable
from tables.partition_counters import MOST_ORGANIZATIONS


class LiveWorker:
    """The `WorkerView` of a worker; until `started` it only says what it waits for."""

    def __init__(self, settings: Settings, clock: Clock, telemetry: Telemetry) -> None:
        self._settings, self._clock, self._telemetry = settings, clock, telemetry
        self._waiting = {"kafka": "Kafka has not been reached yet", "clickhouse": "ClickHouse has not been reached yet"}
        self._lacking_since_ms: dict[str, int] = {}
        self._parts: Parts | None = None
        self._partitions = 0
        self._as_of_ms: dict[int, int] = {}

    def waits_for(self, name: str, reason: str) -> bool:
        """Note what is missing; True if that is news."""
        self._lacking_since_ms.setdefault(name, self.now_ms())
        is_news = self._waiting.get(name) != reason
        self._waiting[name] = reason
        return is_news

    def has(self, name: str) -> None:
        """What was missing is there."""
        self._waiting.pop(name, None)
        self._lacking_since_ms.pop(name, None)

    def lacks(self, name: str) -> bool:
        """True until it has been there for the first time."""
        return name in self._waiting

    def started(self, parts: Parts, partitions: int) -> None:
        """The worker is built for a log of so many partitions."""
        self._parts, self._partitions = parts, partitions
        parts.counters.as_of = self._partition_as_of_ms

    def stopped(self, reason: str) -> None:
        """The parts have stopped; until others are `started`, this is what the worker waits for."""
        self._parts = None
        self._waiting["kafka"] = reason

    @property
    def counters(self) -> CountersTable:
        """The counters table; only asked for when nothing is `incomplete`."""
        return self._running().counters

    def now_ms(self) -> int:
        """The worker's clock."""
        return self._clock.now_ms()

    def incomplete(self) -> str | None:
        """Why live figures would not be complete here now."""
        if self._parts is None:
            return self._waiting.get("kafka", "the worker is starting")
        counters = self._parts.counters
        if not counters.follower.is_complete:
            return "the counters' changelog is still being read"
        states = {number: counters.partition(number) for number in range(self._partitions)}
        unsettled = {number for number, state in states.items() if not state.is_settled}
        if unsettled:
            return f"partitions {_listed(unsettled)} are being read again after a crash"
        unknown = {number for number, as_of_ms in self._as_of_by_partition().items() if not as_of_ms}
        return f"partitions {_listed(unknown)} have not been counted by any worker yet" if unknown else None

    def not_ready(self) -> list[str]:
        """Reasons why a figure may be incomplete or old, or rows are not being stored."""
        reasons = list(self._waiting.values())
        incomplete = self.incomplete()
        if incomplete is not None and incomplete not in reasons:
            reasons.append(incomplete)
        if self._parts is not None:
            if self._parts.ingest.pause.reason:
                reasons.append(self._parts.ingest.pause.reason)
            if self._parts.writer.is_blocked:
                reasons.append(self._parts.writer.blocked_reason)
            elif self._rows_wait_long():
                reasons.append(
                    f"rows have waited for {self._parts.writer.oldest_unstored_age_seconds:.0f} s to be stored"
                )
            if self._parts.writer.is_full:
                reasons.append("the backlog of unstored rows is full: partitions pause")
        if incomplete is None and self.now_ms() - self.as_of_ms() > self._settings.ingest.stale_seconds * 1000:
            reasons.append(self._why_stale())
        return reasons

    def _rows_wait_long(self) -> bool:
        """True if the store takes rows, but too slowly."""
        longest = self._settings.ingest.stale_seconds + self._settings.clickhouse.batch_seconds
        return not self.lacks("clickhouse") and self._running().writer.oldest_unstored_age_seconds > longest

    def _why_stale(self) -> str:
        silent_ms = self.now_ms() - min((at.contact_ms for at in self._progress().values()), default=self.now_ms())
        if silent_ms > self._settings.ingest.stale_seconds * 1000:
            return f"Kafka has not answered for {silent_ms // 1000} s"
        return f"live figures are {(self.now_ms() - self.as_of_ms()) // 1000} s old"

    def as_of_ms(self) -> int:
        """Oldest time up to which every partition has been counted, by whichever worker."""
        return min(self._as_of_by_partition().values(), default=0)

    def _as_of_by_partition(self) -> dict[int, int]:
        """Time up to which each partition has been counted; 0 where that is not known. It never goes back."""
        parts, progress = self._running(), self._progress()
        found = {number: parts.counters.partition(number).as_of_ms for number in range(self._partitions)}
        for number in parts.counters.loaded_partitions & progress.keys():
            at = progress[number]
            found[number] = at.contact_ms if at.is_current else parts.ingest.append_ms.get(number, found[number])
        for number, as_of_ms in found.items():
            self._as_of_ms[number] = max(as_of_ms, self._as_of_ms.get(number, 0))
        return self._as_of_ms

    def _partition_as_of_ms(self, partition: int) -> int:
        return self._as_of_by_partition()[partition]

    def should_be_reading(self) -> bool:
        """True if there are records to read and nothing holds this worker back."""
        parts = self._running()
        is_held = parts.app.rebalancing or parts.app.consumer.is_held or parts.writer.is_blocked
        is_held = is_held or bool(parts.ingest.pause.reason)
        return not is_held and any(at.lag for at in self._progress().values())

    def resume(self) -> bool:
        """Go on although too many records are refused; False if that did not hold the worker back."""
        return self._parts is not None and self._parts.ingest.pause.resume()

    def tables(self) -> list[TableInfo]:
        """The Faust tables with what this worker holds of them."""
        if self._parts is None:
            return []
        kafka, ingest, progress = self._settings.kafka, self._settings.ingest, self._progress()
        lags = {number: at.lag for number, at in progress.items()}
        owners = {view.partition: view.owner for view in self._parts.counters.partition_views()}
        windows = {
            "counters": f"UTC hours, until {ingest.window_retention_hours} h after their end by event time",
            "seen-events": f"ids of the last {ingest.duplicates_hours} h, at most {ingest.duplicates_max:,}",
        }
        return [
            TableInfo(
                table.name,
                table.help,
                changelog_name(kafka, table.name),
                sorted(table.loaded_partitions),
                len(table),
                windows[table.name],
                [
                    TablePartition(number, owner, table.changelog_end(number), lags.get(number))
                    for number, owner in owners.items()
                ],
            )
            for table in (self._parts.counters, self._parts.seen)
        ]

    def exposition(self) -> bytes:
        """Metrics in Prometheus' text format."""
        self.keep_gauges()
        return self._telemetry.exposition()

    def keep_gauges(self) -> None:
        """Bring the gauges up to date."""
        self._telemetry.readiness(not self.not_ready())
        if self._parts is None:
            return
        progress = self._progress()
        self._telemetry.progress(
            {number: at.lag for number, at in progress.items()},
            {number: at.uncommitted for number, at in progress.items()},
        )
        writer = self._parts.writer
        since = writer.blocked_since_ms or self._lacking_since_ms.get("clickhouse")
        self._telemetry.backlog(writer.backlog_bytes, (self.now_ms() - since) / 1000 if since is not None else 0.0)
        self._telemetry.paused_for_rejects(bool(self._parts.ingest.pause.reason))
        self._telemetry.remembered_ids(len(self._parts.seen))
        self._telemetry.windows_full(self._parts.counters.full_windows(), MOST_ORGANIZATIONS)

    def _progress(self) -> dict[int, Progress]:
        app = self._running().app
        return app.consumer.progress() if app._consumer is not None else {}

    def _running(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("the worker has not been built yet")
        return self._parts


def _listed(numbers: set[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
