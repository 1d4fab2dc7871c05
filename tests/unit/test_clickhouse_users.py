"""The two users of ClickHouse, in SQL and as configuration, say the same and allow what they should."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import chdb
import pytest

from app.local.reader_limits import DEFAULTS, LIMITS
from app.runtime.compilers import COMPILERS
from app.runtime.settings import ClickHouseSettings, RetentionSettings
from sinks.clickhouse.templates import views

FOLDER = Path(__file__).parents[2] / "deploy" / "clickhouse"
USERS = ("voicemon_writer", "voicemon_reader")
CONFIG = ElementTree.parse(FOLDER / "users.d" / "voicemon.xml").getroot()  # noqa: S314  (our own file)
SQL = re.sub(r"^--.*\n", "", (FOLDER / "users.sql").read_text(), flags=re.MULTILINE)
STATEMENTS = [re.sub(r"\s+", " ", text).strip() for text in SQL.split(";") if text.strip()]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    connection = chdb.connect(":memory:")
    yield connection
    connection.close()


def grants_in_config(user: str) -> set[str]:
    return {f"{query.text} TO {user}" for query in CONFIG.findall(f"users/{user}/grants/query")}


def live_views() -> set[str]:
    written = "\n".join(text for view in views() for text in view.statements("voicemon", RetentionSettings()))
    return set(re.findall(r"CREATE OR REPLACE VIEW (voicemon\.\w+_live) AS", written))


def test_the_engine_reads_every_statement(engine: Any) -> None:
    for statement in [*STATEMENTS, *grants_in_config("voicemon_writer"), *grants_in_config("voicemon_reader")]:
        assert engine.query(f"SELECT formatQuery('{statement.replace(chr(39), chr(39) * 2)}')", "TSV").bytes()


@pytest.mark.parametrize("user", USERS)
def test_sql_and_configuration_grant_the_same(user: str) -> None:
    in_sql = {text for text in STATEMENTS if text.startswith("GRANT") and text.endswith(f" TO {user}")}
    assert in_sql == grants_in_config(user)


def test_the_reader_reads_the_live_views_and_nothing_else() -> None:
    assert grants_in_config("voicemon_reader") == {
        f"GRANT SELECT ON {view} TO voicemon_reader" for view in live_views()
    }


def test_the_settings_default_to_these_users() -> None:
    assert (ClickHouseSettings().user, ClickHouseSettings().readonly_user) == USERS


def test_the_reader_s_limits_are_those_of_the_embedded_endpoint() -> None:
    profile = CONFIG.find("profiles/voicemon_reader")
    assert profile is not None
    [in_sql] = [text for text in STATEMENTS if text.startswith("CREATE SETTINGS PROFILE IF NOT EXISTS voicemon_reader")]
    for name, limit in LIMITS.items():
        assert profile.findtext(name) == str(limit.default)
        assert profile.findtext(f"constraints/{name}/min") == "1"
        assert profile.findtext(f"constraints/{name}/max") == str(limit.largest)
        assert f"{name} = {limit.default} MIN 1 MAX {limit.largest}" in in_sql


def test_nothing_that_the_reader_asks_is_compiled() -> None:
    profile = CONFIG.find("profiles/voicemon_reader")
    assert profile is not None
    [in_sql] = [text for text in STATEMENTS if text.startswith("CREATE SETTINGS PROFILE IF NOT EXISTS voicemon_reader")]
    for name in COMPILERS:
        assert profile.findtext(name) == DEFAULTS[name] == "0"
        assert f"{name} = 0" in in_sql


def test_no_password_stands_in_the_configuration() -> None:
    passwords = CONFIG.findall("users/*/password")
    assert [(element.text, element.get("from_env")) for element in passwords] == [
        (None, "VOICEMON_WRITER_PASSWORD"),
        (None, "VOICEMON_READER_PASSWORD"),
    ]
