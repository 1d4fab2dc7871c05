"""How long every query of Grafana's boards and alerts takes, as the read-only user, on a store of its own.

    python -m tests.bench.grafana_queries --events 10000000 --hours 6 --rounds 5

Events fill the 48 hours that are visible, ten of each artifact, 100 organisations. The range of the queries is the last
hours of them; panels that look further back by themselves still do. For each query: the median and the least of the
wall-clock times, and the processor time of the server, which other work on the machine disturbs least.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.runtime.settings import RollupSettings, Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.endpoint_process import EndpointProcess
from tests.grafana.macros import EVERYTHING, Chosen, Moment
from tests.grafana.made import Asked, asked
from tests.grafana.stores import Store, reader_of
from tests.integration.store.test_breakdowns import FixedClock

HOUR_MS = 3_600_000
VISIBLE_HOURS, ORGANIZATIONS, EVENTS_OF_AN_ARTIFACT, POINTS = 48, 100, 10, 1000
INSERT_ROWS = 500_000
CHOSEN = Chosen({"org": EVERYTHING, "stage": EVERYTHING, "model": EVERYTHING, "search": "", "artifact": "art_77"})
ARTIFACTS = """
INSERT INTO artifacts
    (artifactId, version, status, organizationId, createdAt, updatedAt, stage, completedAt, endToEndMs)
SELECT concat('art_', toString(number)), 1, if(number % 1000 = 0, 'processing', 'completed') AS state,
    concat('org_', leftPad(toString(number % {organizations:UInt64}), 3, '0')),
    toInt64({from_ms:Int64} + number * {step_ms:Float64}) AS created, created + 20000, 'draft_generation',
    if(state = 'completed', created + 20000, NULL), if(state = 'completed', 15000 + number % 9999, NULL)
FROM numbers({artifacts:UInt64})
"""


def fill(client: Client, settings: Settings, events: int, end_ms: int) -> None:
    from_ms = end_ms - VISIBLE_HOURS * HOUR_MS
    statement = (files("app.bench") / "stored_events.sql").read_text(encoding="utf-8")
    per_hour = events // VISIBLE_HOURS // EVENTS_OF_AN_ARTIFACT * EVENTS_OF_AN_ARTIFACT
    shared = {"per_hour": per_hour, "organizations": ORGANIZATIONS, "from_ms": from_ms}
    for first in range(0, events, INSERT_ROWS):
        part = {"first": first, "events": min(INSERT_ROWS, events - first)}
        client.command(statement, parameters=shared | part, settings={"max_partitions_per_insert_block": 1000})
        sys.stderr.write(f"stored {first + part['events']:,} events\n")
    artifacts = events // EVENTS_OF_AN_ARTIFACT
    client.command(
        ARTIFACTS,
        parameters=shared | {"artifacts": artifacts, "step_ms": VISIBLE_HOURS * HOUR_MS / artifacts},
    )
    RollUp(client, settings, FixedClock(end_ms)).run_once(end_ms)
    # As on a server that has had its time: one part for each hour.
    for table in ("events", "artifacts", "artifact_links"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")


def processor_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(store: Store, query: Asked, moment: Moment, rounds: int, process_id: int) -> tuple[float, float, float]:
    """Milliseconds: median and least of the wall clock, mean of the processor."""
    clock = []
    before = processor_seconds(process_id)
    for _ in range(rounds):
        began = time.perf_counter()
        store.ask(query.sql, moment, CHOSEN if query.in_browser else None)
        clock.append((time.perf_counter() - began) * 1000)
    used = (processor_seconds(process_id) - before) * 1000 / rounds
    return statistics.median(clock), min(clock), used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    end_ms = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
    moment = Moment(end_ms - options.hours * HOUR_MS, end_ms - 1, max(60, options.hours * 3600 // POINTS))
    with tempfile.TemporaryDirectory(prefix="voicemon-grafana-") as folder:
        endpoint = EndpointProcess(Path(folder))
        try:
            slow = endpoint.settings.model_copy(update={"database": "bench", "request_timeout_seconds": 600.0})
            settings = Settings(clickhouse=slow, rollup=RollupSettings(settle_seconds=0))
            client = connect(settings.clickhouse)
            migrate(client, settings)
            fill(client, settings, options.events, end_ms)
            store = Store(settings.clickhouse, client, connect(reader_of(settings.clickhouse)))
            queries = {query.sql: query for query in asked()}.values()
            process_id = endpoint.process.pid
            rows = [(*measure(store, query, moment, options.rounds, process_id), query.place) for query in queries]
        finally:
            endpoint.stop()
    out = sys.stdout
    out.write(f"{options.events:,} events, range {options.hours} h, load {os.getloadavg()[0]:.1f}\n")
    out.write("median ms   least ms   processor ms   query\n")
    for median, least, used, place in sorted(rows, reverse=True):
        out.write(f"{median:9.0f} {least:10.0f} {used:14.0f}   {place}\n")


if __name__ == "__main__":
    main()
