"""Services, names of their own for every test, and no sockets where no marker allows them."""

import signal
import uuid
from collections.abc import Iterator

import hypothesis
import pytest

from app.runtime.settings import ClickHouseSettings, Settings
from tests import services
from tests.cleanup import drop_databases, drop_topics

FIXTURE_MARKERS = {"kafka_bootstrap": "kafka", "clickhouse": "clickhouse"}
SERVICE_MARKERS = ("kafka", "clickhouse", "stack", "browser")
FIRST_START_SECONDS = 300
# For tests that read it: many examples, other ones each time.
hypothesis.settings.register_profile("thorough", max_examples=2000, deadline=None)
CHOICE = pytest.StashKey[services.Choice]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Where a shell started the tests in the background it ignores Ctrl-C, and so would every program that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # asyncio wakes its loop through a pair of unix sockets.
    config.option.allow_unix_socket = True
    config.stash[CHOICE] = services.choose(Settings.from_environment().test, services.docker_answers)


def pytest_report_header(config: pytest.Config) -> str:
    return config.stash[CHOICE].header()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    hosts = services.allowed_hosts(Settings.from_environment().test)
    for item in items:
        if any(item.get_closest_marker(name) for name in SERVICE_MARKERS):
            item.add_marker(pytest.mark.allow_hosts(hosts))
            if item.get_closest_marker("timeout") is None:
                # The first of them also starts the service, for the first time of all with a download.
                item.add_marker(pytest.mark.timeout(FIRST_START_SECONDS))
        else:
            item.add_marker(pytest.mark.disable_socket)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for fixture, marker in FIXTURE_MARKERS.items():
        if fixture in getattr(item, "fixturenames", ()) and item.get_closest_marker(marker) is None:
            pytest.fail(f"a test that uses {fixture} needs the marker `{marker}`", pytrace=False)


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real broker, started by the first test that needs it."""
    folder = tmp_path_factory.mktemp("kafka")
    with services.running_kafka(pytestconfig.stash[CHOICE].kafka, Settings.from_environment(), folder) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def clickhouse(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseSettings]:
    """URL, user and password of a real engine; tests make databases named after their `unique_prefix`."""
    folder = tmp_path_factory.mktemp("clickhouse")
    source = pytestconfig.stash[CHOICE].clickhouse
    with services.running_clickhouse(source, Settings.from_environment(), folder) as settings:
        yield settings


@pytest.fixture
def unique_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """Starts the names of this test's topics, groups and databases (letters, digits, `_`).

    Topics and databases with it are dropped at the end where a service was given by address and outlives the tests.
    """
    prefix = f"t{uuid.uuid4().hex[:12]}_"
    # Asked for here, so that the services outlive this fixture's clean-up.
    used = {name: request.getfixturevalue(name) for name in FIXTURE_MARKERS if name in request.fixturenames}
    yield prefix
    choice = request.config.stash[CHOICE]
    if "kafka_bootstrap" in used and choice.kafka is services.Source.ADDRESS:
        drop_topics(used["kafka_bootstrap"], prefix)
    if "clickhouse" in used and choice.clickhouse is services.Source.ADDRESS:
        drop_databases(used["clickhouse"], prefix)
