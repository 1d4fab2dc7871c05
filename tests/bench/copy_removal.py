"""What a look for later copies costs, without any and with some, on an engine in this process.

    python -m tests.bench.copy_removal --events 1000000 --copies 1 100 10000

Every third copy names another artifact, every third another time and every third another organisation.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import clickhouse_connect
import orjson
from clickhouse_connect.driver.client import Client

from app.copies import CopyRemoval
from app.domain.windows import HOUR_MS
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import keep_repeated_rows
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import INSERT_SETTINGS
from tests.bench.view_cost import bodies

ROWS, HOURS, LOOKS = 50_000, 20, 5
SAMPLE = (
    "SELECT toString(eventId), toString(eventType), timestamp, artifactId, toString(organizationId), append_time_ms "
    "FROM events ORDER BY cityHash64(eventId) LIMIT %(count)s OFFSET %(offset)s"
)


def insert(store: Client, lines: list[dict[str, Any]]) -> None:
    body = b"\n".join(orjson.dumps(line) for line in lines)
    store.raw_insert("events", insert_block=body, settings=INSERT_SETTINGS, fmt="JSONEachRow")


def fill(store: Client, events: int) -> None:
    """Events of the last hours, stored soon after they happened."""
    for number, body in enumerate(bodies(events, ROWS)):
        lines = [orjson.loads(line) for line in body.split(b"\n")]
        for line in lines:
            line["timestamp"] -= (HOURS - number % HOURS) * HOUR_MS
            stored_ms = line["timestamp"] + 2000
            line |= {"eventId": str(uuid.uuid4()), "append_time_ms": stored_ms - 1500}
            line["stored_at"] = f"{stored_ms // 1000}.{stored_ms % 1000:03}"
        insert(store, lines)


def copies(store: Client, count: int, offset: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(count)
    columns = ("eventId", "eventType", "timestamp", "artifactId", "organizationId", "append_time_ms")
    for number, row in enumerate(store.query(SAMPLE, parameters={"count": count, "offset": offset}).result_rows):
        line = dict(zip(columns, row, strict=True))
        others = (
            {"artifactId": f"art_copy_{offset + number}"},
            {"timestamp": line["timestamp"] + rng.randint(1000, 100_000)},
            {"organizationId": "org_other"},
        )
        place = {"source_partition": 7, "source_offset": offset + number, "append_time_ms": row[5] + 1000}
        yield line | place | others[number % 3]


def measured(name: str, work: Callable[[], Any]) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    found = work()
    after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"{name}: {found} found, {seconds:.3f} s, {used:.3f} s of processor time\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 100, 10_000])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = clickhouse_connect.get_client(interface="chdb", path=folder)
        store.database = "bench"
        keep_repeated_rows(store)
        settings = Settings(clickhouse=ClickHouseSettings(database="bench"))
        migrate(store, settings)
        fill(store, asked.events)
        removal, offset = CopyRemoval(store, settings), 0
        since_ms = time.time_ns() // 1_000_000 - 60_000
        now_ms = since_ms + 60_000
        quiet = {"eventId": str(uuid.uuid4()), "eventType": "budget_exceeded", "timestamp": now_ms}
        insert(store, [quiet | {"source_partition": 7, "source_offset": 10**9, "append_time_ms": now_ms}])
        for _ in range(LOOKS):
            measured("a look without copies", lambda: removal.run_once(since_ms))
        for count in asked.copies:
            insert(store, list(copies(store, count, offset)))
            offset += count
            measured(f"{count} copies", lambda: removal.run_once(since_ms))
            measured(f"{count} copies, once more", lambda: removal.run_once(since_ms))
        store.close()


if __name__ == "__main__":
    main()
