"""All answers of a filled store, as a program with a time zone of its own gives them.

Reads one JSON object from stdin and prints one. With `path` it makes an engine of its own there, with the time zone of
the host, and fills it with `lines`; otherwise it asks the server of `clickhouse` in a session of the time zone TZ.
"""

import sys
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import clickhouse_connect
import msgspec
import orjson
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.artifact_refresh import ArtifactRefresh
from app.cli.period import parse_time, show_time
from app.domain.windows import time_window
from app.queries.catalogue import CATALOGUE
from app.queries.fields import RangeParameters
from app.runtime.logs import configure_logs
from app.runtime.settings import RetentionSettings, RollupSettings, Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.integration.store.rows import insert

ARTIFACT = "art_1"
SECOND_OF_NEW_YEAR = "2027-01-01T00:00:01"


@dataclass
class StandingClock:
    now: int

    def now_ms(self) -> int:
        return self.now


def settings_of(asked: dict[str, Any]) -> Settings:
    return Settings(
        clickhouse=asked["clickhouse"],
        retention=RetentionSettings(events_hours=17520, hourly_days=730, daily_days=730),
        rollup=RollupSettings(settle_seconds=0),
    )


def answers(client: Client, settings: Settings, first_ms: int, end_ms: int, names: Container[str]) -> dict[str, Any]:
    """Snapshots computed anew, and the questions answered at the time `end_ms`, without what differs by run."""
    RollUp(client, settings, StandingClock(end_ms)).recompute(first_ms, end_ms)
    ArtifactRefresh(client, settings.clickhouse).run_once()
    found: dict[str, Any] = {
        "time": [time_window(end_ms - 1), show_time(end_ms), parse_time(SECOND_OF_NEW_YEAR)],
    }
    for query in (query for query in CATALOGUE if query.name in names):
        given: dict[str, Any] = {"artifact_id": ARTIFACT} if "{artifactId}" in query.path else {}
        given |= {"stage": "transcription"} if "{stage}" in query.path else {}
        if issubclass(query.parameters, RangeParameters):
            given |= {"start_time": first_ms, "end_time": end_ms}
        parameters = query.parameters(**given)
        found[query.name] = without_run(msgspec.to_builtins(query.run(client, parameters, end_ms)))
    for period in ("hourly", "daily"):
        shown = "* EXCEPT (createdAt, periodStart, periodEnd), toString(periodStart), toString(periodEnd)"
        rows = client.query(f"SELECT {shown} FROM snapshots_{period}_figures ORDER BY ALL").result_rows
        found[period] = [[str(value) for value in row] for row in rows]
    found["stored"] = client.query("SELECT toString(eventId), timeWindow FROM events_at(now_ms = 0) ORDER BY ALL")
    found["stored"] = [list(row) for row in found["stored"].result_rows]
    return found


def without_run(value: Any) -> Any:
    """The answer without the time at which a snapshot was computed."""
    if isinstance(value, list):
        return [without_run(item) for item in value]
    if isinstance(value, dict):
        return {
            name: without_run(item)
            for name, item in value.items()
            if not (name == "createdAt" and "periodStart" in value)
        }
    return value


def main() -> None:
    configure_logs("ERROR", json_lines=False)
    asked = orjson.loads(sys.stdin.buffer.read())
    settings = settings_of(asked)
    if asked["path"]:
        client = clickhouse_connect.get_client(interface="chdb", path=asked["path"])
        client.database = settings.clickhouse.database
        migrate(client, settings)
        insert(client, asked["lines"])
    else:
        client = connect(settings.clickhouse)
        client.set_client_setting("session_timezone", asked["zone"])
    found = answers(client, settings, asked["first_ms"], asked["end_ms"], asked["names"])
    found["zone"] = client.command("SELECT timezone()")
    client.close()
    sys.stdout.write(orjson.dumps(found).decode())


if __name__ == "__main__":
    main()
