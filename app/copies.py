"""Leaves one copy of an event that came through several partitions with other content.

Within a partition the duplicate filter sees such copies, and rows with one key collapse in the table. What is left are
copies with another time, type, organisation or artifact: the one first in the log stays, the others are taken back.
"""

import asyncio
import time
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from app.copy_search import CopySearch, StoredCopy, stored_copy
from app.copy_traces import CopyTraces
from app.domain.windows import HOUR_MS
from app.duty import IsOnDuty, until_on_duty
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import Settings
from sinks.clickhouse.client import DURABLE_INSERT, StoreError, clear_errors, connect
from sinks.clickhouse.placement import Placement

log = structlog.get_logger(__name__)

# Every look reads the ids of all rows, so it is followed by a rest so many times as long. Taking copies back writes
# parts of tables anew, but mostly waits.
REST_AFTER_SEARCH: Final = 200
REST_AFTER_REMOVAL: Final = 20
# The first look of a worker takes in all that is stored, later ones only artifacts that changed since.
LONGEST_REST: Final = 1800.0
# A row becomes visible in one table after the other, some time after its stored_at was taken. Copies are taken back
# until they were found so long ago.
ON_THEIR_WAY_MS: Final = 120_000
COLUMNS: Final = (
    "append_time_ms", "source_partition", "source_offset", "eventId", "timestamp", "eventType", "organizationId",
    "artifactId",
)  # fmt: skip
_NEWEST: Final = "SELECT toUnixTimestamp64Milli(max(last_stored)) FROM hour_activity"
_STORE_TIME: Final = "SELECT toUnixTimestamp64Milli(now64(3, 'UTC'))"
_UNFINISHED: Final = f"""
    SELECT DISTINCT {", ".join(COLUMNS)} FROM later_copies"""  # noqa: S608  (names of ours)


class CopyRemoval:
    """Takes back later copies and has what depends on them computed again; any number of them at once do no harm."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings.clickhouse
        self._search = CopySearch(client, settings.ingest.duplicates_hours * HOUR_MS)
        self._traces = CopyTraces(client, settings.clickhouse)
        self._placement = Placement(settings.clickhouse.cluster)
        self.rest_seconds = 0.0
        """How long to rest after the last run."""

    def run_once(self, since_ms: int = 0) -> int:
        """Number of copies found, which are gone now, and so are those that an earlier look has left.

        All have been found of which none was stored since then. Raises SinkUnavailable if ClickHouse does not answer,
        StoreError if it refuses; then the next run goes on.
        """
        began = time.monotonic()
        with clear_errors(self._settings):
            found = self._search.later(since_ms)
            searched = time.monotonic()
            self._note(found)
            [(began_ms,)] = self._client.query(_STORE_TIME).result_rows
            unfinished = [stored_copy(row) for row in self._client.query(_UNFINISHED).result_rows]
            if unfinished:
                self._traces.remove(unfinished)
                self._forget(began_ms - ON_THEIR_WAY_MS)
        rest = REST_AFTER_SEARCH * (searched - began) + REST_AFTER_REMOVAL * (time.monotonic() - searched)
        self.rest_seconds = min(rest, LONGEST_REST)
        return len(found)

    def is_unfinished(self) -> bool:
        """Whether copies were found of which something may be left. Raises as `run_once`."""
        with clear_errors(self._settings):
            return bool(self._client.query("SELECT count() FROM later_copies").result_rows[0][0])

    def _note(self, found: list[StoredCopy]) -> None:
        if found:
            self._client.insert("later_copies", found, column_names=COLUMNS, settings=DURABLE_INSERT)
            log.warning(
                "Removing copies of events that another partition brought before, with other content",
                rows=len(found),
                event_ids=sorted({row.event_id for row in found})[:3],
            )

    def _forget(self, until_ms: int) -> None:
        condition = f"found <= fromUnixTimestamp64Milli(toInt64({until_ms}), 'UTC')"
        if self._client.query(f"SELECT count() FROM later_copies WHERE {condition}").result_rows[0][0]:  # noqa: S608
            statement = f"ALTER TABLE {self._settings.database}.later_copies DELETE WHERE {condition}"
            for placed in self._placement.statements(statement):
                self._client.command(placed, settings={"mutations_sync": "2"})


async def remove_copies(settings: Settings, is_on_duty: IsOnDuty) -> None:
    """Look for later copies again and again if rows were stored, while on duty, for ever.

    What one look misses the next one finds.
    """
    seen_ms, rest = -1, 0.0
    while True:
        await asyncio.sleep(max(settings.rollup.copies_seconds, rest))
        await until_on_duty(is_on_duty)
        began = time.monotonic()
        try:
            seen_ms, rest = await asyncio.to_thread(_look, settings, seen_ms)
        except (SinkUnavailable, StoreError, OSError) as error:
            log.warning("Later copies not looked for, trying again", reason=str(error) or type(error).__name__)
            rest = REST_AFTER_REMOVAL * (time.monotonic() - began)


def _look(settings: Settings, seen_ms: int) -> tuple[int, float]:
    """When a row was stored last, in epoch milliseconds, before the look; and how long to rest.

    No look is needed if that is `seen_ms`, and nothing is left of an earlier one.
    """
    client = connect(settings.clickhouse)
    try:
        with clear_errors(settings.clickhouse):
            newest_ms = int(client.query(_NEWEST).result_rows[0][0])
        removal = CopyRemoval(client, settings)
        if newest_ms != seen_ms or removal.is_unfinished():
            removal.run_once(seen_ms - ON_THEIR_WAY_MS)
        return newest_ms, removal.rest_seconds
    finally:
        client.close()
