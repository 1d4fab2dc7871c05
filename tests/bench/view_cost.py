"""What each materialised view adds to the processor time of inserts, on an engine of its own.

    python -m tests.bench.view_cost --events 400000 --rounds 3 [--setting NAME=VALUE]

The same bodies, as the sink sends them, go into the tables with all views, and with one of them left out, in turn.
Processor time is that of the engine's process, so a busy machine disturbs it little; merges are stopped.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from clickhouse_connect.driver.client import Client

from app.bench.events import Load, values_of
from app.domain.events import AgeLimits, Anomalies, decode_event
from app.local.stack import LocalStack
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.rows import encode_row
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import INSERT_SETTINGS
from tests.services import local_settings

ORGANIZATIONS = 100
EVENTS_PER_ARTIFACT = 10
TICKS_PER_SECOND = 100


def bodies(events: int, rows: int) -> Iterator[bytes]:
    """Bodies of so many rows; ten events of each artifact follow each other closely."""
    now_ms, limits, anomalies = time.time_ns() // 1_000_000, AgeLimits(), Anomalies()
    lines: list[bytes] = []
    for offset, value in enumerate(values_of(Load(events, ORGANIZATIONS, 1), 0, now_ms)):
        event = decode_event(value, now_ms, limits, anomalies)
        event.artifact_id = f"art_{offset // (EVENTS_PER_ARTIFACT * 50) * 50 + offset % 50}"
        lines.append(encode_row(event, 0, offset, now_ms))
        if len(lines) == rows:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)


def engine_seconds(stack: LocalStack) -> float:
    """Processor time of the engine's process so far."""
    fields = Path(f"/proc/{engine_pid(stack)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def engine_pid(stack: LocalStack) -> int:
    """The process that listens with the module of the endpoint."""
    port = stack.clickhouse_url.rsplit(":", 1)[1]
    for found in Path("/proc").glob("[0-9]*/cmdline"):
        words = found.read_bytes().split(b"\0")
        if b"app.local.clickhouse_server" in words and port.encode() in words and b"app.local.guard" not in words:
            return int(found.parent.name)
    raise AssertionError(f"no engine listens on port {port}")


def spent(
    stack: LocalStack, settings: ClickHouseSettings, left_out: str, sent: list[bytes], options: dict[str, str]
) -> float:
    """Processor seconds of the engine for all bodies."""
    client = connect(settings)
    try:
        migrate(client, Settings(clickhouse=settings))
        client.command(f"SYSTEM STOP MERGES {settings.database}.events")
        if left_out:
            client.command(f"DROP VIEW {left_out}")
        before = engine_seconds(stack)
        for body in sent:
            client.raw_insert("events", insert_block=body, settings=options, fmt="JSONEachRow")
        return engine_seconds(stack) - before
    finally:
        client.command(f"DROP DATABASE IF EXISTS {settings.database}")
        client.close()


def views(client: Client, settings: ClickHouseSettings) -> list[str]:
    """The materialised views that inserts fill."""
    migrate(client, Settings(clickhouse=settings))
    statement = "SELECT name FROM system.tables WHERE database = {name:String} AND engine = 'MaterializedView'"
    return [name for (name,) in client.query(statement, parameters={"name": settings.database}).result_rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--setting", action="append", default=[], help="one more setting of the inserts, NAME=VALUE")
    asked = parser.parse_args()
    options = INSERT_SETTINGS | dict(setting.split("=", 1) for setting in asked.setting)
    sent = list(bodies(asked.events, asked.rows))
    with tempfile.TemporaryDirectory() as folder, LocalStack(local_settings(Path(folder)), ("clickhouse",)) as stack:
        settings = ClickHouseSettings(url=stack.clickhouse_url, database="cost")
        client = connect(settings)
        ways = ["", *views(client, settings)]
        client.close()
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(asked.rounds):
            for way in ways:
                found[way].append(spent(stack, settings, way, sent, options) / asked.events * 1e6)
    usual = {way: median(times) for way, times in found.items()}
    result = {
        "events": asked.events,
        "usPerEvent": {way or "all views": round(value, 3) for way, value in usual.items()},
        "leastUsPerEvent": {way or "all views": round(min(times), 3) for way, times in found.items()},
        "shareOfInsert": {way: round(1 - value / usual[""], 3) for way, value in usual.items() if way},
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
