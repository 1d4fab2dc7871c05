"""`voicemon config check` names what is wrong, all at once and without secrets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from app.checks.machine import check_data_folder
from app.checks.store import check_store
from app.checks.web import check_web
from app.cli.commands import register
from app.runtime.clock import SystemClock
from app.runtime.settings import ClickHouseSettings, Settings, WebSettings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.endpoint_process import READONLY, EndpointProcess
from tests.workers import environment, worker_settings


@pytest.fixture
def voicemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs `config` with these settings in the environment."""
    app = typer.Typer()
    register(app)

    def run(settings: Settings, *arguments: str, **variables: str) -> Result:
        for name, value in (environment(settings) | variables).items():
            if name.startswith("VOICEMON_"):
                monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, ["config", *arguments])

    yield run


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_right_settings_are_all_ok(
    voicemon: Any, kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    local = {"data_dir": tmp_path / "data"}
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, local=local)
    new = json.loads(voicemon(settings, "check", "--json").stdout)
    assert [finding["problem"] for finding in new["findings"] if finding["problem"]] == [
        f"there is no database '{unique_prefix}db': run 'voicemon migrate', which creates it, or correct "
        "VOICEMON_CLICKHOUSE_DATABASE"
    ]
    client = connect(settings.clickhouse)
    migrate(client, settings)
    done = voicemon(settings, "check", "--json")
    assert done.exit_code == 0, done.stdout
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert [(finding["part"], finding["tried"].split()[0]) for finding in told["findings"]] == [
        ("names", "environment"),
        ("data folder", "write"),
        *[("web", tried) for tried in ("access", "listen", "session", "host", "trusted")],
        ("kafka", "connect"),
        ("kafka", "rights"),
        *[("clickhouse", tried) for tried in ("connect", "server", "clocks", "schema", "insert")],
    ]
    assert client.command("SELECT count() FROM events") == 0
    client.close()


GOOD_TOKEN = "a-token-of-twenty-letters"


@pytest.mark.parametrize(
    ("web", "problems"),
    [
        ({"tokens": "anna staff short"}, ["shorter than 20"]),
        ({"tokens_file": "/no/such/file"}, ["VOICEMON_WEB_TOKENS_FILE"]),
        ({"host": "10.0.0.5"}, ["only with an access token"]),
        (
            {"session_key": "open-sesame", "allowed_hosts": "https://monitor", "trusted_proxies": "proxy"},
            ["VOICEMON_WEB_SESSION_KEY", "VOICEMON_WEB_ALLOWED_HOSTS", "VOICEMON_WEB_TRUSTED_PROXIES"],
        ),
        ({"tokens": f"anna staff {GOOD_TOKEN}", "client_token": "open-sesame"}, ["VOICEMON_WEB_CLIENT_TOKEN"]),
        ({"tokens": f"anna staff {GOOD_TOKEN}", "client_token": GOOD_TOKEN, "host": "10.0.0.5"}, []),
    ],
)
def test_web_settings_with_which_a_worker_would_not_start_are_told(web: dict[str, str], problems: list[str]) -> None:
    told = [finding.problem for finding in check_web(WebSettings.model_validate(web)) if finding.problem]
    assert len(told) == len(problems)
    assert [part in text for part, text in zip(problems, told, strict=True)] == [True] * len(problems), told
    assert not any(secret in "".join(told) for secret in ("open-sesame", GOOD_TOKEN))


@pytest.mark.enable_socket
def test_everything_wrong_is_told_at_once_and_no_secret_with_it(voicemon: Any, tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    settings = worker_settings(
        "127.0.0.1:1",
        ClickHouseSettings(url="http://127.0.0.1:1", password=SecretStr("open-sesame")),
        "",
        local={"data_dir": folder},
    )
    done = voicemon(settings, "check", VOICEMON_KAFKA_BOTSTRAP="x")
    assert done.exit_code == 1
    table = " ".join(done.stdout.replace("│", " ").split())
    for text in ("VOICEMON_KAFKA_BOTSTRAP", "is no folder", "Kafka at 127.0.0.1:1", "ClickHouse at"):
        assert text in table
    assert "open-sesame" not in done.stdout


def test_values_that_do_not_fit_are_findings_without_the_value(voicemon: Any) -> None:
    done = voicemon(Settings(), "check", "--json", VOICEMON_KAFKA_PARTITIONS="secret", VOICEMON_LOG_LEVEL="loud")
    assert done.exit_code == 1
    told = {finding["tried"] for finding in json.loads(done.stdout)["findings"] if finding["problem"]}
    assert told == {"VOICEMON_KAFKA_PARTITIONS", "VOICEMON_LOG_LEVEL"}
    assert "secret" not in done.stdout


def test_show_masks_secrets_also_within_addresses(voicemon: Any) -> None:
    settings = Settings(clickhouse=ClickHouseSettings(password=SecretStr("open-sesame")))
    done = voicemon(settings, "show", "--json", VOICEMON_TEST_CLICKHOUSE="http://me:open-sesame@127.0.0.1")
    assert "open-sesame" not in done.stdout
    shown = json.loads(done.stdout)
    assert shown["VOICEMON_TEST_CLICKHOUSE"] == "http://********@127.0.0.1"
    assert (shown["VOICEMON_CLICKHOUSE_PASSWORD"], shown["VOICEMON_KAFKA_PASSWORD"]) == ("********", "")


def test_the_data_folder_matters_only_where_the_local_stack_may_run(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    settings = worker_settings("kafka:1", ClickHouseSettings(url="https://store"), "", local={"data_dir": folder})
    assert check_data_folder(settings) == []


class Ahead:
    """A clock that is ahead of the host's."""

    def __init__(self, ahead_ms: int) -> None:
        self._ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self._ahead_ms


def told_of(settings: Settings, ahead_ms: int = 0) -> list[str]:
    return [finding.problem for finding in check_store(settings, Ahead(ahead_ms)) if finding.problem]


@pytest.fixture
def store(clickhouse: ClickHouseSettings, unique_prefix: str) -> Iterator[Settings]:
    """Settings of a migrated database."""
    settings = worker_settings("127.0.0.1:1", clickhouse, unique_prefix)
    client = connect(settings.clickhouse)
    migrate(client, settings)
    yield settings
    client.command(f"DROP DATABASE {settings.clickhouse.database}")
    client.close()


def with_store(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"clickhouse": settings.clickhouse.model_copy(update=changes)})


@pytest.mark.clickhouse
def test_the_store_says_what_is_wrong_with_it(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_of(store) == []
    [wrong] = told_of(with_store(store, password=SecretStr("wrong-password")))
    assert f"refuses user {store.clickhouse.user!r}: set VOICEMON_CLICKHOUSE_USER" in wrong
    [unknown] = told_of(with_store(store, database="elsewhere"))
    assert unknown.startswith("there is no database 'elsewhere': run 'voicemon migrate'")
    [ahead] = told_of(store, -90_000)
    assert ahead.startswith("the server's clock is 90 s ahead of this machine's")
    [behind] = told_of(store, 90_000)
    assert behind.startswith("the server's clock is 90 s behind this machine's")
    cluster, placed = told_of(with_store(store, cluster="main"))
    assert cluster.startswith("the server knows no cluster 'main'")
    assert "was made without a cluster" in placed
    monkeypatch.setattr("app.checks.store.MINIMUM_VERSION", (99, 1))
    [old] = told_of(store)
    assert old.endswith("upgrade it to 99.1 or later")


@pytest.mark.clickhouse
def test_a_user_that_may_not_insert_is_told_which_grant_it_lacks(tmp_path: Path) -> None:
    endpoint = EndpointProcess(tmp_path)
    store = Settings(clickhouse=endpoint.settings)
    client = connect(store.clickhouse)
    migrate(client, store)
    client.close()
    told = told_of(with_store(store, user=READONLY[0], password=SecretStr(READONLY[1])))
    endpoint.stop()
    assert f"user '{READONLY[0]}' may not insert" in told[-1]
    assert "grant it INSERT" in told[-1]
