"""Where tables are: on one server as they are written down, or replicated and spread over the shards of a cluster.

In a cluster each table `t` is a replicated table `t_local` on every server. Tables that hold events, or that a
materialized view fills out of them, are spread over the shards, and `t` is a Distributed table over them all. All
others are small and complete on every server, so `t` is that table itself and no query of theirs goes anywhere.
"""

import re
from dataclasses import dataclass

from app.runtime.errors import VoicemonError

SHARDED_BY = {
    # An artifact's rows and all copies of an event are on one shard, where they are collapsed.
    "events": "cityHash64(artifactId)",
    "artifact_state": "cityHash64(artifactId)",
    "artifact_links": "cityHash64(artifactId)",
    "artifact_marks": "cityHash64(artifactId)",
    "artifact_hours": "cityHash64(artifact)",
    "error_events": "cityHash64(eventId)",
    "late_artifacts": "cityHash64(artifactId)",
    # Filled on each shard out of its own events.
    "hour_activity": "cityHash64(hour)",
    "minute_activity": "cityHash64(minute)",
    "breaker_state": "cityHash64(organizationId)",
    "breaker_hours": "cityHash64(organizationId)",
}
"""Tables that are spread over the shards, and what decides which shard a row belongs to."""

# Both macros are the server's own. A table's path must not be that of another shard's, except where all share it.
SHARD_PATH = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
SHARED_PATH = "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'"

_OBJECT = r"(?P<name>\w+\.(?P<table>\w+))"
_TABLE = re.compile(rf"CREATE TABLE IF NOT EXISTS {_OBJECT}")
_MATERIALIZED = re.compile(rf"CREATE MATERIALIZED VIEW IF NOT EXISTS {_OBJECT} TO (?P<target>\w+\.\w+)")
_VIEW = re.compile(rf"CREATE OR REPLACE VIEW {_OBJECT} AS\b")
_ALTER = re.compile(rf"ALTER TABLE {_OBJECT}\b")
_DROP = re.compile(rf"DROP (?:TABLE|VIEW) IF EXISTS {_OBJECT}")
_FILL = re.compile(rf"INSERT INTO {_OBJECT}\s+SELECT\b")
_DATABASE = re.compile(r"CREATE DATABASE IF NOT EXISTS (?P<name>\w+)")
_ENGINE = re.compile(r"ENGINE = (?P<kind>\w*MergeTree)(?:\((?P<arguments>[^()]*)\))?")
# What changes the columns that a Distributed table has to know too.
_COLUMNS = re.compile(r"\b(?:ADD|DROP|MODIFY|RENAME) COLUMN\b")

# A materialized view fills its target out of its own shard's rows.
_QUERY = re.compile(r"\s+MODIFY QUERY\b")


@dataclass(frozen=True, slots=True)
class Placement:
    """Turns statements for a single server into those for a cluster; `cluster` is empty for a single server."""

    cluster: str = ""

    def statements(self, statement: str) -> list[str]:
        """What has to run in place of the statement, in order. Raises VoicemonError if it is of an unknown kind."""
        as_maker = r"CREATE OR REPLACE VIEW \g<name> DEFINER = CURRENT_USER SQL SECURITY DEFINER AS"
        secured = _VIEW.sub(as_maker, statement.strip())
        return self._spread(secured) if self.cluster else [secured]

    def stored_in(self, table: str) -> str:
        """Name of the table that holds the rows on a server."""
        return f"{table}_local" if self.cluster and table in SHARDED_BY else table

    def _spread(self, statement: str) -> list[str]:
        for pattern, spread in (
            (_TABLE, self._table),
            (_MATERIALIZED, self._materialized),
            (_ALTER, self._alter),
            (_SECURED_VIEW, self._everywhere),
            (_DROP, self._drop),
            (_DATABASE, self._everywhere),
            (_FILL, lambda filled, _: [filled]),  # reads all shards, and writes each row to its own
        ):
            if found := pattern.match(statement):
                return spread(statement, found)
        raise VoicemonError(f"this statement is not known to run in a cluster: {statement[:80]}")

    def _everywhere(self, statement: str, found: re.Match[str]) -> list[str]:
        return [_insert(statement, found.end("name"), self._on_cluster)]

    def _table(self, statement: str, found: re.Match[str]) -> list[str]:
        table = found["table"]
        path = SHARD_PATH if table in SHARDED_BY else SHARED_PATH
        replicated = _ENGINE.sub(lambda engine: _replicated(engine, path), statement)
        replicated = replicated.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
        local = f"{found['name'].removesuffix(table)}{self.stored_in(table)}"
        created = replicated.replace(found[0], f"CREATE TABLE IF NOT EXISTS {local}{self._on_cluster}", 1)
        if table not in SHARDED_BY:
            return [created]
        database = found["name"].split(".")[0]
        return [
            created,
            f"CREATE TABLE IF NOT EXISTS {found['name']}{self._on_cluster} AS {local}\n"
            f"ENGINE = Distributed('{self.cluster}', '{database}', '{self.stored_in(table)}', {SHARDED_BY[table]})",
        ]

    def _materialized(self, statement: str, found: re.Match[str]) -> list[str]:
        """A view that fills its shard's target out of its shard's rows."""
        named = _insert(statement, found.end("name"), self._on_cluster)
        return [self._on_own_shard(named, found["name"].split(".")[0])]

    def _on_own_shard(self, statement: str, database: str) -> str:
        for table in SHARDED_BY:
            stored = rf"\1 {database}.{self.stored_in(table)}"
            statement = re.sub(rf"\b(TO|FROM|JOIN) {database}\.{table}\b", stored, statement)
        return statement

    def _alter(self, statement: str, found: re.Match[str]) -> list[str]:
        database, table = found["name"].split(".")
        rest = statement[found.end() :]
        if _QUERY.match(rest):
            rest = self._on_own_shard(rest, database)
        local = f"ALTER TABLE {database}.{self.stored_in(table)}{self._on_cluster}{rest}"
        if table not in SHARDED_BY or not _COLUMNS.search(rest):
            return [local]
        return [local, f"ALTER TABLE {found['name']}{self._on_cluster}{rest}"]

    def _drop(self, statement: str, found: re.Match[str]) -> list[str]:
        dropped = self._everywhere(statement, found)
        stored_in = self.stored_in(found["table"])
        if stored_in == found["table"]:
            return dropped
        return [*dropped, dropped[0].replace(found["name"], found["name"].removesuffix(found["table"]) + stored_in, 1)]

    @property
    def _on_cluster(self) -> str:
        return f" ON CLUSTER '{self.cluster}'"


_SECURED_VIEW = re.compile(rf"CREATE OR REPLACE VIEW {_OBJECT} DEFINER")


def _insert(statement: str, at: int, text: str) -> str:
    return statement[:at] + text + statement[at:]


def _replicated(engine: re.Match[str], path: str) -> str:
    arguments = f", {engine['arguments']}" if engine["arguments"] else ""
    return f"ENGINE = Replicated{engine['kind']}({path}{arguments})"
