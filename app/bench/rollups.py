"""How long snapshots take: events made inside ClickHouse, in a store of its own, computed as a worker does."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import median

import msgspec
from clickhouse_connect.driver.client import Client

from agents.roll_up import LogOnly, RollUp, RollUpResult
from app.domain.windows import DAY_MS, HOUR_MS
from app.local.stack import LocalStack
from app.queries.history import historical_metrics
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate

INSERT_ROWS = 500_000
EVENTS_OF_AN_ARTIFACT = 10
REQUEST_SECONDS = 600.0
HISTORY_HOURS = 168
WIDE = {"events_hours": 17_520, "hourly_days": 730, "daily_days": 730}
Say = Callable[[str], None]


class Figure(msgspec.Struct, rename="camel"):
    """The median and the least of the wall-clock times of one thing."""

    name: str
    events: int
    median_seconds: float
    least_seconds: float


class Report(msgspec.Struct, rename="camel"):
    """All figures, with the machine's load before and after, because others may have used it."""

    organizations: int
    rounds: int
    load_before: float
    load_after: float
    figures: list[Figure]


class _Silent(LogOnly):
    def snapshots_computed(self, result: RollUpResult) -> None:
        """Say nothing: this is measured."""


class _Until:
    """A clock that stands."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: hours of these numbers of events, and 168 hours that hold `stored` events, if any."""

    hours: Sequence[int]
    organizations: int
    stored: int
    rounds: int


def measure(settings: Settings, plan: Plan, say: Say) -> Report:
    """Recompute each hour of the plan, then a day and the history out of its 168 hours.

    In a ClickHouse of its own, whose data goes with it. Raises VoicemonError if that does not start.
    """
    load_before = os.getloadavg()[0]
    figures = []
    with _own_store(settings) as (client, own):
        for events in plan.hours:
            store = _Store(client, own, f"bench_{events}", plan.organizations, say)
            figures.append(store.one_hour(events, plan.rounds))
        if plan.stored:
            store = _Store(client, own, "bench_history", plan.organizations, say)
            figures += store.history(plan.stored, plan.rounds)
    return Report(plan.organizations, plan.rounds, load_before, os.getloadavg()[0], figures)


@contextmanager
def _own_store(settings: Settings) -> Iterator[tuple[Client, Settings]]:
    with tempfile.TemporaryDirectory(prefix="voicemon-bench-") as folder:
        local = settings.local.model_copy(update={"data_dir": Path(folder)})
        with LocalStack(settings.model_copy(update={"local": local}), ("clickhouse",), auto_ports=True) as stack:
            clickhouse = settings.clickhouse.model_copy(
                update={"url": stack.clickhouse_url, "request_timeout_seconds": REQUEST_SECONDS}
            )
            retention = settings.retention.model_copy(update=WIDE)
            client = connect(clickhouse)
            try:
                yield client, settings.model_copy(update={"clickhouse": clickhouse, "retention": retention})
            finally:
                client.close()


class _Store:
    """One database with events of its own."""

    def __init__(self, client: Client, settings: Settings, database: str, organizations: int, say: Say) -> None:
        self._settings = settings.model_copy(
            update={"clickhouse": settings.clickhouse.model_copy(update={"database": database})}
        )
        self._client = client
        self._organizations = organizations
        self._say = say
        today_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
        self._start_ms = today_ms - 10 * DAY_MS
        client.database = database
        migrate(client, self._settings)

    def one_hour(self, events: int, rounds: int) -> Figure:
        """Time of one recomputation of an hour with that many events."""
        self._fill(events, hours=1)
        roll_up = RollUp(self._client, self._settings, _Until(self._start_ms + DAY_MS), _Silent())
        return self._timed("hour", events, rounds, lambda: roll_up.recompute(self._start_ms, self._start_ms + HOUR_MS))

    def history(self, events: int, rounds: int) -> list[Figure]:
        """Times of a day out of its hours, of a run that finds nothing to do, and of reading all hours."""
        self._fill(events, HISTORY_HOURS)
        end_ms = self._start_ms + HISTORY_HOURS * HOUR_MS
        roll_up = RollUp(self._client, self._settings, _Until(end_ms), _Silent())
        self._say(f"computing {HISTORY_HOURS} hours")
        roll_up.run_once(end_ms)
        day_s = self._start_ms // 1000

        def read(organization_id: str | None) -> int:
            return len(historical_metrics(self._client, "hourly", self._start_ms, end_ms - 1, organization_id, end_ms))

        return [
            self._timed("day", events, rounds, lambda: roll_up.compute_days([day_s])),
            self._timed("nothing to do", events, rounds, lambda: roll_up.run_once(end_ms)),
            self._timed("history, platform", events, rounds, lambda: read(None)),
            self._timed("history, organisation", events, rounds, lambda: read("org_001")),
        ]

    def _fill(self, events: int, hours: int) -> None:
        statement = (files(__package__) / "stored_events.sql").read_text(encoding="utf-8")
        for first in range(0, events, INSERT_ROWS):
            self._say(f"storing {events:,} events: {first:,}")
            parameters = {
                "first": first,
                "events": min(INSERT_ROWS, events - first),
                "per_hour": events // hours // EVENTS_OF_AN_ARTIFACT * EVENTS_OF_AN_ARTIFACT,
                "organizations": self._organizations,
                "from_ms": self._start_ms,
            }
            self._client.command(statement, parameters=parameters, settings={"max_partitions_per_insert_block": 1000})

    def _timed(self, name: str, events: int, rounds: int, work: Callable[[], object]) -> Figure:
        seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        self._say(f"{name}: {median(seconds):.3f} s")
        return Figure(name, events, median(seconds), min(seconds))
