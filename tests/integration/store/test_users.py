"""The two users of deploy/clickhouse with the rights and limits of their configuration, on the real engine.

The embedded engine always logs in as `default`, so that user gets what the configuration gives to one of the two. What
it makes belongs to `voicemon_writer`, as on a server.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from app.local.reader_limits import LIMITS
from app.runtime.compilers import COMPILERS
from app.runtime.settings import ClickHouseSettings, RetentionSettings, Settings
from sinks.clickhouse.erasure import Erasure, Kind, Subject
from sinks.clickhouse.placement import Placement
from sinks.clickhouse.schema import migrate
from tests.deploy.places import DEPLOY
from tests.grafana.macros import EVERYTHING, Chosen, Moment, expand
from tests.grafana.made import asked
from tests.integration.store.conftest import HOURS_OF_TWO_YEARS
from tests.integration.store.rows import event_line, insert

CONFIG = ElementTree.parse(DEPLOY / "clickhouse" / "users.d" / "voicemon.xml").getroot()  # noqa: S314  (our own file)
SETTINGS = Settings(
    clickhouse=ClickHouseSettings(database="voicemon"), retention=RetentionSettings(events_hours=HOURS_OF_TWO_YEARS)
)
DENIED, OUT_OF_BOUNDS, READONLY = 497, 452, 164
UNTOUCHED = Chosen({
    "org": EVERYTHING, "stage": EVERYTHING, "model": EVERYTHING, "search": "", "artifact": "a1",
})  # fmt: skip


class OwnedByTheWriter(Placement):
    """Views as `voicemon_writer` makes them."""

    def statements(self, statement: str) -> list[str]:
        return [
            text.replace("DEFINER = CURRENT_USER", "DEFINER = voicemon_writer")
            for text in super().statements(statement)
        ]


def users_with(name: str) -> ElementTree.Element:
    """The configuration, and `default` with the profile and the grants of the named user."""
    root = copy.deepcopy(CONFIG)
    users = root.find("users")
    assert users is not None
    default = copy.deepcopy(users.find(name))
    assert default is not None
    default.tag = "default"
    password = default.find("password")
    assert password is not None
    del password.attrib["from_env"]
    users.append(default)
    ElementTree.SubElement(ElementTree.SubElement(root, "quotas"), "default")
    ElementTree.SubElement(root.find("profiles"), "default")  # type: ignore[arg-type]
    return root


@contextmanager
def as_user(name: str, folder: Path) -> Iterator[Client]:
    users, config = folder / f"{name}.xml", folder / f"config-{name}.xml"
    ElementTree.ElementTree(users_with(name)).write(users)
    config.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    options = {"config-file": str(config)}
    client = clickhouse_connect.get_client(interface="chdb", path=str(folder / "data"), chdb_options=options)
    client.database = "voicemon"
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEMON_WRITER_PASSWORD", "w")
    monkeypatch.setenv("VOICEMON_READER_PASSWORD", "r")
    monkeypatch.setattr("sinks.clickhouse.schema.Placement", OwnedByTheWriter)
    return tmp_path


def refused(client: Client, statement: str) -> int:
    with pytest.raises(DatabaseError) as caught:
        client.command(statement)
    assert caught.value.code is not None
    return caught.value.code


def test_each_user_may_do_its_work_and_nothing_else(folder: Path) -> None:
    with as_user("voicemon_writer", folder) as writer:
        assert migrate(writer, SETTINGS).applied
        insert(writer, [event_line(1, artifactId="a1", organizationId="gone"), event_line(2, artifactId="a2")])
        erasure = Erasure(writer, SETTINGS.clickhouse, Subject(Kind.ORGANISATION, "gone"), wait=lambda seconds: None)
        assert not any(one.rows for one in erasure.erase())
        assert writer.command("SELECT count() FROM events_live") == 1
        for statement in (
            "CREATE DATABASE other",
            "CREATE TABLE system.mine (a UInt8) ENGINE = Memory",
            "CREATE USER somebody",
            "SELECT * FROM file('users.xml', 'RawBLOB')",
            "SELECT * FROM url('http://127.0.0.1:1', 'RawBLOB')",
        ):
            assert refused(writer, statement) == DENIED, statement
    with as_user("voicemon_reader", folder) as reader:
        names = {row[0] for row in reader.query("SHOW TABLES FROM voicemon").result_rows}
        assert names
        assert all(name.endswith("_live") for name in names)
        reads_every_query_of_grafana(reader)
        keeps_its_limits(reader)
        assert refused(reader, "SELECT * FROM events") == DENIED
        assert refused(reader, "SELECT * FROM artifact_rows") == DENIED
        assert refused(reader, "INSERT INTO events (eventId) VALUES (generateUUIDv4())") in {DENIED, READONLY}
        assert refused(reader, "DROP TABLE events_live") in {DENIED, READONLY}


def reads_every_query_of_grafana(reader: Client) -> None:
    assert reader.command("SELECT count() FROM events_live") == 1
    moment = Moment(1_767_225_600_000, 1_767_247_200_000)
    for query in asked():
        reader.raw_query(expand(query.sql, moment, UNTOUCHED if query.in_browser else None))


def keeps_its_limits(reader: Client) -> None:
    for name in COMPILERS:
        assert reader.command(f"SELECT value FROM system.settings WHERE name = '{name}'") == 0
    for name, limit in LIMITS.items():
        assert reader.command(f"SELECT value FROM system.settings WHERE name = '{name}'") == limit.default
        reader.command(f"SELECT count() FROM events_live SETTINGS {name} = {limit.largest}")
        for value in (0, limit.largest + 1):
            assert refused(reader, f"SELECT count() FROM events_live SETTINGS {name} = {value}") == OUT_OF_BOUNDS
