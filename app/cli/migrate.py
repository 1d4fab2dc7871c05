"""`voicemon migrate`: the schema in ClickHouse."""

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from app.runtime.logs import configure_logs
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import MigrationResult
from sinks.clickhouse.schema import migrate as migrate_schema

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what is pending and change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def migrate(dry_run: DryRun = False, as_json: Json = False) -> None:
    """Bring ClickHouse to the schema of this program: tables, reading views, retention."""
    settings = Settings.from_environment()
    configure_logs(settings.log.level, json_lines=False)
    client = connect(settings.clickhouse)
    try:
        result = migrate_schema(client, settings, dry_run=dry_run)
    finally:
        client.close()
    typer.echo(orjson.dumps(asdict(result)).decode() if as_json else _sentences(result))


def _sentences(result: MigrationResult) -> str:
    lines = [f"{'Pending' if result.dry_run else 'Applied'}: migration {name}" for name in result.applied]
    lines += [f"{'Pending' if result.dry_run else 'Created'}: views {name}" for name in result.views]
    verb = "Would change" if result.dry_run else "Changed"
    lines += [f"{verb}: {c.table} keeps rows {c.after_hours} h instead of {c.before_hours} h" for c in result.retention]
    state = f"The schema is at {result.version}."
    if result.dry_run and result.applied:
        state = f"The schema is not at {result.version} yet: run 'voicemon migrate'."
    return "\n".join([*lines, state])
