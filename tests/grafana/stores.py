"""A ClickHouse with the sample's data and an empty one, asked by the read-only user as Grafana's plugin asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from agents.roll_up import RollUp
from app.artifact_refresh import ArtifactRefresh
from app.minute_figures import MinuteFigures
from app.runtime.settings import ClickHouseSettings, RetentionSettings, RollupSettings, Settings
from deploy.grafana.builder.provisioning import QUERY_SECONDS
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.endpoint_process import READONLY, EndpointProcess
from tests.grafana.macros import Chosen, Moment, expand
from tests.integration.store.conftest import HOURS_OF_TWO_YEARS
from tests.integration.store.rows import insert
from tests.integration.store.test_breakdowns import NOW, FixedClock, sample_lines

NAMES = {"org_001": "O'Brien's club"}
# The plugin gives a query some seconds more than it waits for it.
SETTINGS = {
    "max_execution_time": QUERY_SECONDS + 4,
    # How the answer is written, so that no value of it gets lost.
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 1,
}


@dataclass(frozen=True)
class Frame:
    """An answer: names and types of the columns, and the rows; times are ISO 8601 texts."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[object]]

    def column(self, name: str) -> list[object]:
        return [row[self.names.index(name)] for row in self.rows]


@dataclass(frozen=True)
class Store:
    """A database: what the API asks, and what Grafana asks."""

    settings: ClickHouseSettings
    api: Client
    grafana: Client

    def ask(self, sql: str, moment: Moment, chosen: Chosen | None) -> Frame:
        # Unlike the driver's own format this one tells names and types without rows, too.
        answer = orjson.loads(self.grafana.raw_query(expand(sql, moment, chosen), settings=SETTINGS, fmt="JSONCompact"))
        names, types = zip(*((column["name"], column["type"]) for column in answer["meta"]), strict=True)
        return Frame(names, types, answer["data"])


@contextmanager
def two_stores(folder: Path) -> Iterator[tuple[Store, Store]]:
    """The filled and the empty database of one server."""
    endpoint = EndpointProcess(folder)
    try:
        filled, empty = (_database(endpoint.settings, name) for name in ("filled", "empty"))
        yield filled, empty
        for client in (filled.api, filled.grafana, empty.api, empty.grafana):
            client.close()
    finally:
        endpoint.stop()


def _database(server: ClickHouseSettings, name: str) -> Store:
    settings = Settings(
        clickhouse=server.model_copy(update={"database": name}),
        retention=RetentionSettings(
            events_hours=HOURS_OF_TWO_YEARS, hourly_days=730, daily_days=730, artifacts_days=730
        ),
        rollup=RollupSettings(settle_seconds=0),
    )
    client = connect(settings.clickhouse)
    migrate(client, settings)
    if name == "filled":
        _fill(client, settings)
    return Store(settings.clickhouse, client, connect(reader_of(settings.clickhouse)))


def reader_of(settings: ClickHouseSettings) -> ClickHouseSettings:
    """How the read-only user reaches the same database."""
    return settings.model_copy(update={"user": READONLY[0], "password": SecretStr(READONLY[1])})


def _fill(client: Client, settings: Settings) -> None:
    lines = sample_lines()
    insert(client, lines)
    MinuteFigures(client, settings, FixedClock(NOW)).run_once()
    # What is kept of the minutes of these is not all that was stored of them, so boards look into their events.
    insert(client, lines[:500])
    client.insert("organization_names", [[*pair, 1, 0] for pair in NAMES.items()])
    ArtifactRefresh(client, settings.clickhouse).run_once()
    RollUp(client, settings, FixedClock(NOW)).run_once(NOW)
