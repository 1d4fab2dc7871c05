"""A migrated database of its own for each test, with retention wide enough for the sample's fixed dates."""

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


@pytest.fixture
def settings(server: tuple[ClickHouseSettings, Connect]) -> Settings:
    return Settings(
        clickhouse=server[0].model_copy(update={"database": f"t{uuid.uuid4().hex}"}),
        retention=RetentionSettings(events_hours=HOURS_OF_TWO_YEARS, hourly_days=730, daily_days=730),
        rollup=RollupSettings(settle_seconds=0),
    )


@pytest.fixture
def new_client(server: tuple[ClickHouseSettings, Connect], settings: Settings) -> Callable[[], Client]:
    return lambda: server[1](settings)


@pytest.fixture
def client(new_client: Callable[[], Client], settings: Settings) -> Iterator[Client]:
    """A client of an empty server: the database does not exist yet."""
    client = new_client()
    yield client
    client.command(f"DROP DATABASE IF EXISTS {settings.clickhouse.database}", use_database=False)
    client.close()


@pytest.fixture
def store(client: Client, settings: Settings) -> Client:
    """A client of a migrated database."""
    migrate(client, settings)
    return client


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MIDNIGHT + DAY)


@pytest.fixture
def roll_up(store: Client, settings: Settings, clock: ManualClock) -> RollUp:
    return RollUp(store, settings, clock)
