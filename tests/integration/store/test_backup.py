"""The runbook's backup and its restoring, on an engine of the test's own that has a disk for backups."""

import re
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.artifact_refresh import ArtifactRefresh
from app.minute_figures import MinuteFigures
from app.runtime.settings import ClickHouseSettings, RetentionSettings, RollupSettings, Settings
from sinks.clickhouse.schema import migrate
from tests.deploy.places import DEPLOY
from tests.integration.store.conftest import HOURS_OF_TWO_YEARS
from tests.integration.store.rows import event_line, insert
from tests.integration.store.test_breakdowns import NOW, FixedClock, sample_lines

CONFIG = """<clickhouse>
  <storage_configuration><disks><backups><type>local</type><path>{folder}/</path></backups></disks></storage_configuration>
  <backups><allowed_disk>backups</allowed_disk></backups>
</clickhouse>
"""
RUNBOOK = (DEPLOY / "runbooks.md").read_text(encoding="utf-8").split("\n## Backup and restore\n")[1].split("\n## ")[0]


@pytest.fixture
def settings() -> Settings:
    return Settings(
        clickhouse=ClickHouseSettings(database="voicemon"),
        retention=RetentionSettings(events_hours=HOURS_OF_TWO_YEARS, hourly_days=730, daily_days=730),
        rollup=RollupSettings(settle_seconds=0),
    )


@pytest.fixture
def client(tmp_path: Path, settings: Settings) -> Iterator[Client]:
    config = tmp_path / "config.xml"
    (tmp_path / "backups").mkdir()
    config.write_text(CONFIG.format(folder=tmp_path / "backups"))
    options = {"config-file": str(config)}
    client = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path / "data"), chdb_options=options)
    client.database = settings.clickhouse.database
    yield client
    client.close()


def statements() -> list[str]:
    """What the runbook says, in its order; this engine cannot write zip files, so a backup is a folder."""
    found = re.findall(r"`((?:BACKUP|DROP|RESTORE) DATABASE [^`]+)`", RUNBOOK)
    return [statement.replace(".zip", "") for statement in found]


def contents(client: Client) -> dict[str, tuple[object, ...]]:
    """Definition of every table and view, and number and hash of each table's rows as merges will leave them."""
    question = "SELECT name, engine, create_table_query FROM system.tables WHERE database = currentDatabase()"
    return {
        name: (definition, *(rows_of(client, name, engine) if engine.endswith("MergeTree") else ()))
        for name, engine, definition in client.query(question).result_rows
    }


def rows_of(client: Client, table: str, engine: str) -> tuple[int, int]:
    columns = client.query(
        "SELECT name, type FROM system.columns "
        "WHERE database = currentDatabase() AND table = {table:String} AND default_kind != 'ALIAS'",
        parameters={"table": table},
    ).result_rows
    texts = [f"ifNull(toString({in_order(name, kind)}), '-')" for name, kind in columns]
    final = "" if engine == "MergeTree" else "FINAL"
    [row] = client.query(f"SELECT count(), sum(cityHash64({', '.join(texts)})) FROM {table} {final}").result_rows
    return row


def in_order(column: str, kind: str) -> str:
    """Merges may order what is a set differently."""
    return f"arraySort({column})" if kind.startswith("SimpleAggregateFunction(groupUniqArray") else column


def test_a_restored_database_equals_the_one_that_was_backed_up(client: Client, settings: Settings) -> None:
    migrate(client, settings)
    insert(client, sample_lines())
    ArtifactRefresh(client, settings.clickhouse).run_once()
    RollUp(client, settings, FixedClock(NOW)).run_once(NOW)
    MinuteFigures(client, settings, FixedClock(NOW)).run_once()
    before = contents(client)
    assert {"events", "artifact_state", "snapshots_daily", "minute_figures"} <= {
        name for name, (_, *rows) in before.items() if rows and rows[0]
    }
    backup, drop, restore = statements()
    assert [text.split()[0] for text in (backup, drop, restore)] == ["BACKUP", "DROP", "RESTORE"]
    client.command(backup, use_database=False)
    insert(client, [event_line(1, artifactId="later")])
    client.command(drop, use_database=False)
    client.command(restore, use_database=False)
    assert contents(client) == before
    assert migrate(client, settings).applied == ()
    insert(client, [event_line(1, artifactId="later")])
    assert client.command("SELECT count() FROM artifact_marks WHERE artifactId = 'later'") == 1
