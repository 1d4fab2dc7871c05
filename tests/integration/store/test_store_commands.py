import json
from collections.abc import Callable

import pytest
import typer
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from app.cli.commands import register
from app.runtime.settings import Settings
from sinks.clickhouse.templates import migrations
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import HOUR, MIDNIGHT, Refusing

pytestmark = pytest.mark.clickhouse

LAST = migrations()[-1].number
RANGE = ("--from", "2026-02-15", "--to", "2026-02-15T03:00")


@pytest.fixture
def voicemon(
    client: Client, new_client: Callable[[], Client], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs a command against the test's database."""
    for name, value in {
        "CLICKHOUSE_DATABASE": settings.clickhouse.database,
        "RETENTION_EVENTS_HOURS": settings.retention.events_hours,
        "RETENTION_HOURLY_DAYS": settings.retention.hourly_days,
    }.items():
        monkeypatch.setenv(f"VOICEMON_{name}", str(value))
    for module in ("migrate", "rollup", "question"):
        monkeypatch.setattr(f"app.cli.{module}.connect", lambda _: new_client())
    app = typer.Typer()
    register(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_migrate_says_what_it_did_once(voicemon: Callable[..., Result]) -> None:
    pending = voicemon("migrate", "--dry-run")
    assert "Pending: migration 0001_events" in pending.stdout
    assert f"The schema is not at {LAST} yet" in pending.stdout
    assert "Applied: migration 0004_snapshots" in voicemon("migrate").stdout
    again = voicemon("migrate", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"version": LAST, "applied": [], "views": [], "retention": [], "dry_run": False}


def test_rollup_computes_a_range_and_history_shows_it(voicemon: Callable[..., Result], client: Client) -> None:
    voicemon("migrate")
    insert(client, [event_line(1, organizationId="org_1")])
    planned = json.loads(voicemon("rollup", *RANGE, "--dry-run", "--json").stdout)
    assert (planned["hours"], planned["rows_written"]) == ([MIDNIGHT, MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR], 0)
    assert json.loads(voicemon("query", "history", *RANGE, "--json").stdout)["snapshots"] == []
    done = voicemon("rollup", *RANGE)
    assert "Computed 3 hours and 0 days." in done.stdout
    assert "hourly: 3 of 3" in done.stderr
    shown = json.loads(voicemon("query", "history", *RANGE, "--json").stdout)["snapshots"]
    assert [row["totalClaimsExtracted"] for row in shown] == [4, 0, 0]
    assert "organizationId" not in shown[0]
    answer = voicemon("query", "history", *RANGE, "--organization", "org_1", "--json").stdout
    [own] = json.loads(answer)["snapshots"]
    assert (own["organizationId"], own["periodType"], own["periodStart"]) == ("org_1", "hourly", MIDNIGHT)
    assert "2026-02-15T00:00:00Z" in voicemon("query", "history", *RANGE).stdout
    header, *rows = voicemon("query", "history", *RANGE, "--csv").stdout.splitlines()
    assert header.startswith("periodType,periodStart,periodEnd,organizationId,")
    assert [row.split(",")[1] for row in rows] == [str(MIDNIGHT + hour * HOUR) for hour in range(3)]


def test_rollup_names_what_failed_and_goes_on(
    voicemon: Callable[..., Result], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    voicemon("migrate")
    insert(client, [event_line(1)])
    monkeypatch.setattr("app.cli.rollup.connect", lambda _: Refusing(client, (MIDNIGHT + HOUR) // 1000))
    done = voicemon("rollup", *RANGE)
    assert done.exit_code == 1
    assert "Computed 2 hours and 0 days." in done.stdout
    assert "Failed: hourly 2026-02-15T01:00Z" in done.stdout


def test_a_range_that_ends_before_it_starts_is_wrong_use(voicemon: Callable[..., Result]) -> None:
    assert voicemon("rollup", "--from", "2026-02-15", "--to", "2026-02-15").exit_code == 2
