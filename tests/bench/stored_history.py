"""A store with a long history, filled through the real tables and views, for measurements of questions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.artifact_refresh import COLUMNS, refreshed_row
from app.domain.windows import DAY_MS, HOUR_MS
from app.local.stack import LocalStack
from app.minute_figures import MinuteFigures
from app.open_artifacts import OpenArtifacts
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.services import local_settings

VISIBLE_HOURS, OLD_DAYS = 48, 5
EVENTS_OF_AN_ARTIFACT = 12.45
"""Mean of the artifacts that are not short."""
OLD_ARTIFACTS_OF_A_NEW = 2
ARTIFACTS_OF_AN_INSERT = 40_000
BREAKERS = """
INSERT INTO events
    (eventId, eventType, timestamp, newStatus, source_partition, source_offset, append_time_ms, stored_at)
SELECT generateUUIDv4(), if(number % 2, 'circuit_breaker_closed', 'circuit_breaker_opened'),
    {until_ms:Int64} - 60000 * 7 * (200 - number) AS at, '', 0, 8000000000 + number, at + 150,
    fromUnixTimestamp64Milli(at + 1000, 'UTC')
FROM numbers(200)"""
HISTORIES = """
SELECT artifactId, toUnixTimestamp64Milli(max(last_stored)), toJSONString(minMap(events)) FROM artifact_state
WHERE artifactId >= {first:String} AND artifactId < {last:String} GROUP BY artifactId
SETTINGS output_format_json_quote_64bit_integers = 0"""
Say = Callable[[str], None]


class FixedClock:
    """A clock that stands."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


@contextmanager
def opened(folder: Path, events: int, organizations: int, say: Say) -> Iterator[tuple[Settings, int]]:
    """Settings that lead to the store in the folder, and the time, in epoch ms, at which it was filled.

    An empty folder is filled first, an older store gets what a worker would add to it; the store ends with the block.
    """
    moment, settings = folder / "now_ms", local_settings(folder)
    with LocalStack(settings, ("clickhouse",)) as stack:
        store = settings.clickhouse.model_copy(
            update={"url": stack.clickhouse_url, "request_timeout_seconds": 600.0, "database": "history"}
        )
        settings = settings.model_copy(update={"clickhouse": store})
        client = connect(store)
        if moment.exists():
            migrate(client, settings)
            MinuteFigures(client, settings, FixedClock(int(moment.read_text()))).run_once()
        else:
            moment.write_text(str(fill(client, settings, events, organizations, say)))
        client.close()
        yield settings, int(moment.read_text())


def fill(client: Client, settings: Settings, events: int, organizations: int, say: Say) -> int:
    """Store so many events of the last 48 hours, and older artifacts; the time, in epoch ms, that it is then."""
    migrate(client, settings)
    now_ms = time.time_ns() // 1_000_000
    artifacts = round(events / EVENTS_OF_AN_ARTIFACT)
    visible_ms = VISIBLE_HOURS * HOUR_MS
    old_ms = now_ms - OLD_DAYS * DAY_MS - visible_ms
    common = {"until_ms": now_ms, "organizations": organizations}
    old = common | {"from_ms": old_ms, "span_ms": OLD_DAYS * DAY_MS, "is_short": True}
    new = common | {"from_ms": now_ms - visible_ms, "span_ms": visible_ms, "is_short": False}
    _insert(client, old, artifacts * OLD_ARTIFACTS_OF_A_NEW, say)
    _insert(client, new, artifacts, say)
    _insert(client, new, artifacts, say, repeat=True)
    client.command(BREAKERS, parameters={"until_ms": now_ms}, settings={"max_partitions_per_insert_block": 1000})
    say("computing snapshots")
    RollUp(client, settings, FixedClock(now_ms)).run_once(now_ms)
    _fold(client, say)
    say("working out minutes")
    MinuteFigures(client, settings, FixedClock(now_ms)).run_once()
    totals = OpenArtifacts(client)
    totals.start()
    totals.publish()
    _settle(client, say)
    return now_ms


def _insert(client: Client, plan: Mapping[str, object], total: int, say: Say, *, repeat: bool = False) -> None:
    statement = (Path(__file__).parent / "stored_history.sql").read_text(encoding="utf-8")
    step = ARTIFACTS_OF_AN_INSERT * (10 if repeat else 1)
    for first in range(0, total, step):
        say(f"storing artifacts: {first:,} of {total:,}{', the repeated ones' if repeat else ''}")
        part = {"first": first, "artifacts": min(step, total - first), "total": total, "repeat": repeat}
        parameters = {**plan, **part}
        client.command(statement, parameters=parameters, settings={"max_partitions_per_insert_block": 1000})


def _fold(client: Client, say: Say) -> None:
    """The table of artifacts as the refresh would write it, by the first two digits of the ids."""
    for number in range(256):
        if number % 16 == 0:
            say(f"folding artifacts: {number} of 256")
        bounds = {"first": f"{number:02x}", "last": f"{number + 1:02x}" if number < 255 else "g"}
        found = client.query(HISTORIES, parameters=bounds).result_rows
        client.insert("artifact_rows", [refreshed_row(*row) for row in found], column_names=COLUMNS)


def _settle(client: Client, say: Say) -> None:
    """Wait until the engine has merged what it wants to merge."""
    deadline, quiet = time.monotonic() + 300, 0
    while quiet < 5 and time.monotonic() < deadline:
        running = int(client.query("SELECT count() FROM system.merges").result_rows[0][0])
        quiet = 0 if running else quiet + 1
        say(f"merges: {running}")
        time.sleep(2)
