"""How long every query of Grafana's boards and alerts takes on a store with a long history, as the read-only user.

    python -m tests.bench.grafana_queries --folder /tmp/history --events 10000000 --rounds 20

The store is that of `stored_history.py`: the first run fills the folder, later ones ask the same store. Merges are
stopped, and small parts of fresh rows lie beside the large ones, as while workers write. The range of a query is the
one that its board opens with or its alert rule has, or `--hours`. Milliseconds are of the clock, processor milliseconds
those of this process and of ClickHouse. The slowest query comes first.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect
from tests.bench.processor import peak_started_bytes, processor_seconds
from tests.bench.stored_history import opened
from tests.grafana.macros import EVERYTHING, Chosen, Moment
from tests.grafana.made import Asked, asked
from tests.grafana.stores import Store

POINTS = 1000
MOST_MS = 200
"""What a panel may take at ten million events."""
COUNTED = ("event_copies_live", "events")
FRESH = (
    # Both tables of artifacts' lists follow.
    """INSERT INTO artifact_rows SELECT * REPLACE (version + 1 AS version)
    FROM (SELECT * FROM artifact_rows ORDER BY createdAt DESC LIMIT 300) ORDER BY artifactId""",
    """INSERT INTO events (* EXCEPT (stored_at)) SELECT * EXCEPT (stored_at) FROM events
    WHERE ts >= fromUnixTimestamp64Milli({from_ms:Int64}) AND ts < fromUnixTimestamp64Milli({to_ms:Int64})""",
)
"""Rows that a worker would write: later ones of the newest artifacts, and events of a stretch of time once more."""
STRETCH_MS = 20_000
ARTIFACT = "SELECT artifactId FROM artifact_rows ORDER BY createdAt DESC LIMIT 1 OFFSET 5000"


class Times(NamedTuple):
    """Milliseconds of some runs of a query."""

    p95: float
    median: float
    least: float
    processor: float
    place: str


def timed(place: str, rounds: int, ask: Callable[[], object]) -> Times:
    """Times of a query that runs so often, after once that does not count."""
    ask()
    clock, began = [], processor_seconds()
    for _ in range(rounds):
        before = time.perf_counter()
        ask()
        clock.append((time.perf_counter() - before) * 1000)
    processor = (processor_seconds() - began) * 1000 / rounds
    clock.sort()
    return Times(clock[min(rounds - 1, int(rounds * 0.95))], median(clock), clock[0], processor, place)


def reader_of(settings: ClickHouseSettings) -> ClickHouseSettings:
    """How the read-only user of a local stack reaches the same database."""
    reader = {"user": settings.readonly_user, "password": settings.readonly_password}
    return settings.model_copy(update=reader)


@contextmanager
def unsettled(client: Client, now_ms: int, parts: int) -> Iterator[None]:
    """So many small parts beside the large ones of the tables that workers write, and no merges."""
    client.command("SYSTEM STOP MERGES")
    for number in range(parts):
        to_ms = now_ms - number * STRETCH_MS
        for statement in FRESH:
            client.command(statement, parameters={"from_ms": to_ms - STRETCH_MS, "to_ms": to_ms})
    yield
    client.command("SYSTEM START MERGES")


def range_of(query: Asked, now_ms: int, hours: int | None) -> Moment:
    """The time that the query is asked for."""
    seconds = hours * 3600 if hours else query.seconds
    return Moment(now_ms - seconds * 1000, now_ms, max(60, seconds // POINTS))


def measure(store: Store, now_ms: int, options: argparse.Namespace) -> list[Times]:
    """Times of each query that is asked once or more often."""
    chosen = Chosen({
        "org": EVERYTHING, "stage": EVERYTHING, "model": EVERYTHING, "search": "",
        "artifact": store.api.query(ARTIFACT).result_rows[0][0],
    })  # fmt: skip
    queries = {query.sql: query for query in sorted(asked(), key=lambda query: query.seconds)}.values()

    def of(query: Asked) -> Times:
        values = chosen if query.in_browser else None
        moment = range_of(query, now_ms, options.hours)
        return timed(query.place, options.rounds, lambda: store.ask(query.sql, moment, values))

    return [of(query) for query in queries if options.only in query.place]


def report(client: Client, times: list[Times], options: argparse.Namespace) -> None:
    visible, stored = (client.query(f"SELECT count() FROM {table}").result_rows[0][0] for table in COUNTED)
    show(f"{visible:,} visible of {stored:,} stored events, {options.rounds} rounds")
    show(f"{'p95 ms':>8} {'median':>8} {'least':>8} {'processor':>10}   query")
    for row in sorted(times, reverse=True):
        show(f"{row.p95:8.1f} {row.median:8.1f} {row.least:8.1f} {row.processor:10.1f}   {row.place}")
    slow = [row.place for row in times if row.p95 > MOST_MS]
    show(f"ClickHouse has taken {peak_started_bytes() / 1e6:,.0f} MB at most since it was started")
    show(f"{len(slow)} of {len(times)} queries above {MOST_MS} ms at p95{': ' if slow else ''}{'; '.join(slow)}")


def show(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    sys.stderr.write(line + "\n")


def measure_store(settings: Settings, now_ms: int, options: argparse.Namespace) -> None:
    """Ask everything of the store, and print it."""
    client, grafana = connect(settings.clickhouse), connect(reader_of(settings.clickhouse))
    store = Store(settings.clickhouse, client, grafana)
    with unsettled(client, now_ms, options.parts):
        report(client, measure(store, now_ms, options), options)
    client.close()
    grafana.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the filled store between runs")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--hours", type=int, help="the range of all queries, in place of their boards' and rules'")
    parser.add_argument("--parts", type=int, default=10, help="small parts of fresh rows")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="only queries whose place has this in it")
    options = parser.parse_args()
    with opened(options.folder, options.events, options.organizations, note) as (settings, now_ms):
        measure_store(settings, now_ms, options)


if __name__ == "__main__":
    main()
