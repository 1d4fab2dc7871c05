"""Brings the database to the schema of this program: numbered migrations, reading views, retention."""

import re
from dataclasses import dataclass

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings
from sinks.clickhouse.client import clear_errors
from sinks.clickhouse.placement import Placement
from sinks.clickhouse.templates import (
    MARGIN_HOURS,
    Template,
    checksum_of,
    migrations,
    ttl_hours,
    views,
    visible_hours,
)

TABLE_ALREADY_EXISTS = 57
# Append-only: two workers that migrate at once write the same facts twice, which changes nothing.
STATUS_TABLE = """
CREATE TABLE IF NOT EXISTS {database}.schema_migrations
(
    kind Enum8('migration' = 1, 'view' = 2),
    version UInt32,
    name String,
    checksum String,
    state Enum8('started' = 1, 'done' = 2),
    at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (kind, version, at)
"""
# Events past the shorter of two times to live may be gone: their periods must not be computed out of what is left.
FREEZE = """
INSERT INTO {database}.rollup_progress (closed_until, frozen_until)
SELECT
    toDateTime(0, 'UTC'),
    greatest(
        (SELECT max(frozen_until) FROM {database}.rollup_progress),
        toStartOfDay(now('UTC') - INTERVAL {hours} HOUR))
"""
_TTL = re.compile(r" TTL (?P<expression>.+?\btoIntervalHour\((?P<hours>\d+)\))(?= SETTINGS|$)")
_log = structlog.get_logger()


class SchemaError(VoicemonError):
    """The database's schema and this program do not fit together."""


@dataclass(frozen=True, slots=True)
class RetentionChange:
    """A table's time to live in hours, before and after."""

    table: str
    before_hours: int
    after_hours: int


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What a run changed, or in a dry run would change."""

    version: int
    applied: tuple[str, ...]
    views: tuple[str, ...]
    retention: tuple[RetentionChange, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Recorded:
    checksums: frozenset[str]
    latest: str
    is_done: bool


def migrate(client: Client, settings: Settings, *, dry_run: bool = False) -> MigrationResult:
    """Bring the database to this program's schema; it may be empty, half migrated, or up to date.

    Running it again, or in several workers at once, changes nothing more. Raises SchemaError if a migration's text
    differs from the one that ran or if the schema is newer than this program, SinkUnavailable if ClickHouse does not
    answer, StoreError if it refuses a statement.
    """
    with clear_errors(settings.clickhouse):
        run = _Migrator(client, settings)
        recorded = run.recorded() if dry_run else run.prepare()
        pending = _pending(recorded)
        changed_views = [view for view in views() if run.view_differs(view, recorded)]
        if not dry_run:
            for migration in pending:
                run.apply(migration)
            run.replace_views(changed_views)
        changes = run.retention_changes() if recorded or not dry_run else []
        if not dry_run:
            for change in changes:
                run.change_retention(change)
    return MigrationResult(
        version=migrations()[-1].number,
        applied=tuple(_label(migration) for migration in pending),
        views=tuple(_label(view) for view in changed_views),
        retention=tuple(changes),
        dry_run=dry_run,
    )


def _pending(recorded: dict[tuple[str, int], _Recorded]) -> list[Template]:
    known = migrations()
    newest = max((version for kind, version in recorded if kind == "migration"), default=0)
    if newest > known[-1].number:
        raise SchemaError(
            f"The database has schema {newest}, this program knows only {known[-1].number}: run a newer program"
        )
    for migration in known:
        row = recorded.get(("migration", migration.number))
        if row is not None and row.checksums != {migration.checksum}:
            raise SchemaError(
                f"Migration {_label(migration)} differs from the one that ran on the database: "
                "run the program that made the database, or use another VOICEMON_CLICKHOUSE_DATABASE"
            )
    return [m for m in known if not ((row := recorded.get(("migration", m.number))) and row.is_done)]


class _Migrator:
    """The steps against one database."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._database = settings.clickhouse.database
        self._retention = settings.retention
        self._placement = Placement(settings.clickhouse.cluster)

    def _refuse_another_placement(self) -> None:
        """Raises SchemaError if the tables were made for a single server and a cluster is asked for, or vice versa."""
        rows = self._client.query(
            "SELECT engine FROM system.tables WHERE database = {database:String} AND name = 'events'",
            parameters={"database": self._database},
        ).result_rows
        if rows and (rows[0][0] == "Distributed") != bool(self._placement.cluster):
            made = "without a cluster" if self._placement.cluster else "for a cluster"
            raise SchemaError(
                f"Database {self._database!r} was made {made}: correct VOICEMON_CLICKHOUSE_CLUSTER, or use another "
                "VOICEMON_CLICKHOUSE_DATABASE"
            )

    def prepare(self) -> dict[tuple[str, int], _Recorded]:
        """Create the database and the status table where missing; what is recorded there."""
        if not self._exists(f"DATABASE {self._database}"):
            for statement in self._placement.statements(f"CREATE DATABASE IF NOT EXISTS {self._database}"):
                self._client.command(statement, use_database=False)
        self._run(STATUS_TABLE.format(database=self._database))
        return self.recorded()

    def recorded(self) -> dict[tuple[str, int], _Recorded]:
        """What has run on the database, by kind and number; empty if nothing has."""
        database = self._database
        if not (self._exists(f"DATABASE {database}") and self._exists(f"TABLE {database}.schema_migrations")):
            return {}
        self._refuse_another_placement()
        rows = self._client.query(
            "SELECT toString(kind), version, groupUniqArray(checksum), argMax(checksum, at), max(state) = 'done' "  # noqa: S608
            f"FROM {database}.schema_migrations GROUP BY kind, version"
        ).result_rows
        return {
            (kind, version): _Recorded(frozenset(sums), last, bool(done)) for kind, version, sums, last, done in rows
        }

    def apply(self, migration: Template) -> None:
        """Run one migration; a half-done one goes on, as each of its statements may run again."""
        self._record("migration", migration, migration.checksum, "started")
        for statement in migration.statements(self._database, self._retention):
            self._run(statement)
        self._record("migration", migration, migration.checksum, "done")
        _log.info("Applied a migration.", migration=_label(migration))

    def view_differs(self, view: Template, recorded: dict[tuple[str, int], _Recorded]) -> bool:
        """Whether the view's text, retention included, is not the one that was last created."""
        row = recorded.get(("view", view.number))
        return row is None or row.latest != self._view_checksum(view)

    def replace_views(self, changed: list[Template]) -> None:
        """Create the views, or exchange them for the present text."""
        for view in changed:
            for statement in view.statements(self._database, self._retention):
                self._run(statement)
            self._record("view", view, self._view_checksum(view), "done")
        if changed:
            names, hours = [_label(view) for view in changed], visible_hours(self._retention)
            _log.info("Wrote the views that hide what is older than its retention.", views=names, visible_hours=hours)

    def retention_changes(self) -> list[RetentionChange]:
        """Tables whose time to live is not the one that the settings ask for."""
        changes = []
        for table, hours in ttl_hours(self._retention).items():
            present = self._ttl(table)
            if present is not None and int(present["hours"]) != hours:
                changes.append(RetentionChange(table, int(present["hours"]), hours))
        return changes

    def change_retention(self, change: RetentionChange) -> None:
        """Give a table the time to live that the settings ask for."""
        present = self._ttl(change.table)
        if present is None:
            return
        if change.table == "events" and change.after_hours > change.before_hours:
            self._client.command(FREEZE.format(database=self._database, hours=change.before_hours - MARGIN_HOURS))
        kept = present["expression"].removesuffix(f"toIntervalHour({present['hours']})")
        self._run(f"ALTER TABLE {self._database}.{change.table} MODIFY TTL {kept}toIntervalHour({change.after_hours})")
        _log.warning(
            "Changed how long a table keeps its rows, because the settings differ from it.",
            table=change.table,
            before_hours=change.before_hours,
            after_hours=change.after_hours,
        )

    def _ttl(self, table: str) -> re.Match[str] | None:
        rows = self._client.query(
            "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}",
            parameters={"database": self._database, "table": self._placement.stored_in(table)},
        ).result_rows
        return _TTL.search(rows[0][0]) if rows else None

    def _view_checksum(self, view: Template) -> str:
        written = view.statements(self._database, self._retention)
        return checksum_of("\n".join(placed for text in written for placed in self._placement.statements(text)))

    def _record(self, kind: str, template: Template, checksum: str, state: str) -> None:
        self._client.command(
            f"INSERT INTO {self._database}.schema_migrations (kind, version, name, checksum, state) "
            f"SELECT '{kind}', {template.number}, '{template.name}', '{checksum}', '{state}'"
        )

    def _exists(self, what: str) -> bool:
        return bool(self._client.command(f"EXISTS {what}", use_database=False))

    def _run(self, statement: str) -> None:
        for placed in self._placement.statements(statement):
            self._run_placed(placed)

    def _run_placed(self, statement: str) -> None:
        try:
            self._client.command(statement)
        except DatabaseError as error:
            # IF NOT EXISTS does not cover another worker that creates the same table in this very moment.
            if error.code != TABLE_ALREADY_EXISTS:
                raise


def _label(template: Template) -> str:
    return f"{template.number:04}_{template.name}"
