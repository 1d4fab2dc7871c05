"""An empty, migrated database for each test, with retention wide enough for the sample's fixed dates.

Migrating takes longer than most tests, so the next test gets the same database, emptied, unless something but rows has
changed in it.
"""

import uuid
from collections.abc import Callable, Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.runtime.settings import ClickHouseSettings, RetentionSettings, RollupSettings, Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.integration.store.snapshots import DAY, MIDNIGHT, ManualClock

HOURS_OF_TWO_YEARS = 2 * 365 * 24
Connect = Callable[[Settings], Client]


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ClickHouseSettings, Connect]:
    """Where the engine is, and how to get a client of it."""
    try:
        return request.getfixturevalue("clickhouse"), lambda settings: connect(settings.clickhouse)
    except pytest.FixtureLookupError:
        path = str(tmp_path_factory.mktemp("engine"))

    def embedded(settings: Settings) -> Client:
        client = clickhouse_connect.get_client(interface="chdb", path=path)
        client.database = settings.clickhouse.database
        return client

    return ClickHouseSettings(), embedded


class MigratedDatabase:
    """One database for all tests that start from a migrated one."""

    def __init__(self) -> None:
        self.name = new_name()
        self._form: list[tuple[str, str]] = []

    def prepare(self, client: Client, settings: Settings) -> None:
        """Migrate it if it does not exist."""
        if not self._form:
            migrate(client, settings)
            self._form = self._form_of(client)

    def clean(self, client: Client) -> None:
        """Leave no rows; or no database, if its tables are others than those that were made."""
        if self._form_of(client) != self._form:
            client.command(f"DROP DATABASE IF EXISTS {self.name}", use_database=False)
            self.name, self._form = new_name(), []
            return
        filled = "SELECT DISTINCT table FROM system.parts WHERE database = {db:String} AND table != 'schema_migrations'"
        for (table,) in client.query(filled, parameters={"db": self.name}).result_rows:
            client.command(f"TRUNCATE TABLE {self.name}.{table}")

    def _form_of(self, client: Client) -> list[tuple[str, str]]:
        """Names and definitions, and how often something was migrated."""
        tables = client.query(
            "SELECT name, create_table_query FROM system.tables WHERE database = {db:String} ORDER BY name",
            parameters={"db": self.name},
        ).result_rows
        [(migrated,)] = client.query(f"SELECT toString(count()) FROM {self.name}.schema_migrations").result_rows
        return [(name, text) for name, text in tables] + [("", migrated)]


def new_name() -> str:
    return f"t{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def migrated() -> MigratedDatabase:
    return MigratedDatabase()


@pytest.fixture
def database(request: pytest.FixtureRequest, migrated: MigratedDatabase) -> str:
    """The name of the test's database."""
    return migrated.name if "store" in request.fixturenames else new_name()


@pytest.fixture
def settings(server: tuple[ClickHouseSettings, Connect], database: str) -> Settings:
    return Settings(
        clickhouse=server[0].model_copy(update={"database": database}),
        retention=RetentionSettings(events_hours=HOURS_OF_TWO_YEARS, hourly_days=730, daily_days=730),
        rollup=RollupSettings(settle_seconds=0),
    )


@pytest.fixture
def new_client(server: tuple[ClickHouseSettings, Connect], settings: Settings) -> Callable[[], Client]:
    return lambda: server[1](settings)


@pytest.fixture
def client(new_client: Callable[[], Client], database: str, migrated: MigratedDatabase) -> Iterator[Client]:
    """A client of an empty server, if the test asks for no store: the database does not exist yet."""
    client = new_client()
    yield client
    if database != migrated.name:
        client.command(f"DROP DATABASE IF EXISTS {database}", use_database=False)
    client.close()


@pytest.fixture
def store(client: Client, settings: Settings, migrated: MigratedDatabase) -> Iterator[Client]:
    """A client of a migrated database."""
    migrated.prepare(client, settings)
    yield client
    migrated.clean(client)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MIDNIGHT + DAY)


@pytest.fixture
def roll_up(store: Client, settings: Settings, clock: ManualClock) -> RollUp:
    return RollUp(store, settings, clock)
