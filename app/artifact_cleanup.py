"""Deletes what is stored of finished artifacts once their retention is over, while a worker runs."""

import asyncio
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from app.artifact_refresh import COUNT_BITS
from app.domain.event_types import ACTIVE_STATUSES
from app.domain.windows import DAY_MS, HOUR_MS
from app.duty import IsOnDuty, until_on_duty
from app.runtime.clock import Clock
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import Settings
from sinks.clickhouse.client import StoreError, clear_errors, connect
from sinks.clickhouse.placement import Placement
from sinks.clickhouse.templates import artifact_hours

log = structlog.get_logger(__name__)

INTERVAL_SECONDS: Final = 3600.0
PENDING_SECONDS: Final = 30.0
# Deleting writes whole parts anew, so it waits until a day's worth is due. The views hide what is due at once.
PATIENCE_MS: Final = DAY_MS
# Rows of finished artifacts that are looked at at once, the oldest first: the memory that their ids take is bounded.
MOST: Final = 500_000
STATE: Final = "artifact_state"
MARKS: Final = "artifact_marks"
ARTIFACTS: Final = "artifact_rows"
LISTS: Final = ("artifacts_by_creation", "artifacts_by_failure")
TABLES: Final = (STATE, MARKS, *LISTS, ARTIFACTS)
STORED_MS: Final = f"toInt64(bitShiftRight(version, {COUNT_BITS}))"
"""When the last row was stored that a row of the table of artifacts takes into account."""
_ACTIVE: Final = ", ".join(f"'{status}'" for status in sorted(ACTIVE_STATUSES))


class ArtifactCleanup:
    """Deletes finished artifacts whose last event, and whose last stored row, are older than the retention.

    One exactly at the cutoff stays, an active one for ever. Any number of them at once delete the same rows.
    """

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._settings = settings.clickhouse
        self._kept_hours = artifact_hours(settings.retention)
        self._clock = clock
        self._placement = Placement(settings.clickhouse.cluster)

    def run_once(self) -> bool:
        """Delete what is due; True if it is not all gone yet, so that another run is to follow soon.

        ClickHouse deletes in the background. Raises SinkUnavailable if it does not answer, StoreError if it refuses.
        """
        with clear_errors(self._settings):
            if self._count(self._unfinished_deletions()):
                return True
            cutoff_ms = self._clock.now_ms() - self._kept_hours * HOUR_MS
            if not self._count(f"({self._due(self._bounded(cutoff_ms - PATIENCE_MS))} LIMIT 1)"):
                return False
            return self._delete(self._bounded(cutoff_ms))

    def close(self) -> None:
        """The connection is closed."""
        self._client.close()

    def _bounded(self, cutoff_ms: int) -> int:
        """The cutoff, or an earlier one that leaves no more than `MOST` rows of finished artifacts before it."""
        rows = f"""
            SELECT greatest(updatedAt, {STORED_MS}) AS over
            FROM {self._table(ARTIFACTS)}
            WHERE over < {cutoff_ms} AND status NOT IN ({_ACTIVE})
            ORDER BY over
            LIMIT {MOST}"""  # noqa: S608  (names and numbers of ours)
        [(found, last_ms)] = self._client.query(f"SELECT count(), max(over) FROM ({rows})").result_rows  # noqa: S608
        return cutoff_ms if found < MOST else int(last_ms) + 1

    def _delete(self, cutoff_ms: int) -> bool:
        """Start to delete; the table of artifacts goes last, as it says which artifacts are finished."""
        due, here = self._due(cutoff_ms), self._due(cutoff_ms, self._placement.stored_in(STATE))
        count, hours = self._count(f"({due})"), self._kept_hours
        held = [table for table in (STATE, MARKS) if self._count(f"{self._table(table)} WHERE artifactId IN ({due})")]
        for table in held:
            self._delete_from(table, f"artifactId IN ({here})")
        if not held and self._count(f"{self._table(ARTIFACTS)} WHERE {self._is_orphan(cutoff_ms)}"):
            held = [*LISTS, ARTIFACTS]
            for table in held:
                self._delete_from(table, self._is_orphan(cutoff_ms))
        if held:
            log.info("Deleting finished artifacts past their retention", tables=held, artifacts=count, kept_hours=hours)
        return bool(held)

    def _delete_from(self, table: str, condition: str) -> None:
        for placed in self._placement.statements(f"ALTER TABLE {self._table(table)} DELETE WHERE {condition}"):
            self._client.command(placed, settings={"allow_nondeterministic_mutations": "1"})

    def _due(self, cutoff_ms: int, state: str = STATE) -> str:
        """Ids of the artifacts to delete. One that got an event since is left out, also if its row is not there yet.

        A shard's tables are compared with its own `state`: it has all that is known of its artifacts.
        """
        moment = f"fromUnixTimestamp64Milli(toInt64({cutoff_ms}), 'UTC')"
        old = f"{self._old(cutoff_ms)} AND status NOT IN ({_ACTIVE})"
        return f"""
            SELECT artifactId FROM {self._table(ARTIFACTS)}
            WHERE artifactId IN ({old})
              AND artifactId NOT IN (
                SELECT artifactId FROM {self._table(state)}
                WHERE artifactId IN ({old}) AND (last_event >= {moment} OR last_stored >= {moment}))
            GROUP BY artifactId
            HAVING argMax(status, version) NOT IN ({_ACTIVE}) AND argMax(updatedAt, version) < {cutoff_ms}
               AND bitShiftRight(max(version), {COUNT_BITS}) < {cutoff_ms}"""  # noqa: S608  (names and numbers of ours)

    def _is_orphan(self, cutoff_ms: int) -> str:
        """Whether a row of the table of artifacts is of one of which nothing else is left.

        Parts are written anew one after the other, so this must not depend on which row of an artifact is its latest.
        """
        known = f"SELECT artifactId FROM {self._table(STATE)} WHERE artifactId IN ({self._old(cutoff_ms)})"  # noqa: S608
        return f"{_is_old(cutoff_ms)} AND artifactId NOT IN ({known})"

    def _old(self, cutoff_ms: int) -> str:
        """Ids of all artifacts that may be due: few, so that no set of all artifacts is built."""
        return f"SELECT artifactId FROM {self._table(ARTIFACTS)} WHERE {_is_old(cutoff_ms)}"  # noqa: S608

    def _unfinished_deletions(self) -> str:
        names = ", ".join(f"'{self._placement.stored_in(table)}'" for table in TABLES)
        cluster = self._placement.cluster
        mutations = f"clusterAllReplicas('{cluster}', system.mutations)" if cluster else "system.mutations"
        return f"{mutations} WHERE database = '{self._settings.database}' AND table IN ({names}) AND NOT is_done"

    def _table(self, name: str) -> str:
        return f"{self._settings.database}.{name}"

    def _count(self, rows: str) -> int:
        return int(self._client.query(f"SELECT count() FROM {rows}").result_rows[0][0])  # noqa: S608


def _is_old(cutoff_ms: int) -> str:
    """Whether a row of the table of artifacts tells of nothing that happened, or was stored, since."""
    return f"updatedAt < {cutoff_ms} AND {STORED_MS} < {cutoff_ms}"


async def delete_old_artifacts(settings: Settings, clock: Clock, is_on_duty: IsOnDuty) -> None:
    """Look now and every hour for finished artifacts to delete, while on duty, for ever.

    While ClickHouse does not answer nothing is lost: the next run finds the same ones.
    """
    while True:
        await until_on_duty(is_on_duty)
        try:
            is_pending = await asyncio.to_thread(_run_once, settings, clock)
        except (SinkUnavailable, StoreError, OSError) as error:
            is_pending = False
            log.warning("Old artifacts not deleted, trying again later", reason=str(error) or type(error).__name__)
        await asyncio.sleep(PENDING_SECONDS if is_pending else INTERVAL_SECONDS)


def _run_once(settings: Settings, clock: Clock) -> bool:
    cleanup = ArtifactCleanup(connect(settings.clickhouse), settings, clock)
    try:
        return cleanup.run_once()
    finally:
        cleanup.close()
