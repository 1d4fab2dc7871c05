"""Leaves one row of an event whose copies came through several partitions with another time, type or organisation.

Within a partition the duplicate filter sees such copies, and rows with one key collapse in the table. What is left are
copies under keys of their own: the one first in the log stays, the rows of the others are deleted.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import structlog
from clickhouse_connect.driver.client import Client

from app.domain.event_types import FAIL
from app.domain.windows import HOUR_MS, window_start_ms
from app.duty import IsOnDuty, until_on_duty
from app.queries.distributions import STAGE_BIT
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import Settings
from sinks.clickhouse.client import DURABLE_INSERT, StoreError, clear_errors, connect
from sinks.clickhouse.placement import Placement

log = structlog.get_logger(__name__)

# Every look reads the ids of all rows, so it is followed by a rest so many times as long.
REST: Final = 200
SLICE_ROWS: Final = 2_000_000
MOST_IDS: Final = 10_000
PLACES_PER_STATEMENT: Final = 1000
# Parameters travel in the URL.
IDS_PER_QUESTION: Final = 100

# In slices of the ids, which bounds the memory.
_SHARED_IDS: Final = """
    SELECT eventId
    FROM events
    WHERE cityHash64(eventId) % {slices:UInt32} = {slice:UInt32}
    GROUP BY eventId
    HAVING min(source_partition) != max(source_partition)
       AND min(cityHash64(organizationId, eventType, ts)) != max(cityHash64(organizationId, eventType, ts))
    LIMIT {most:UInt32}"""
_ROWS: Final = """
    SELECT toString(eventId), append_time_ms, source_partition, source_offset, timestamp, eventType, organizationId
    FROM events
    WHERE eventId IN {ids:Array(UUID)}"""
_NEWEST: Final = "SELECT toUnixTimestamp64Milli(max(last_stored)) FROM hour_activity"
# The roll-up takes them for rows that were stored in this hour and in its minutes just now.
_MARKS: Final = (
    """
    INSERT INTO hour_activity (hour, last_stored)
    SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'), now64(3, 'UTC')""",
    """
    INSERT INTO minute_activity (minute, last_stored)
    SELECT minute, now64(3, 'UTC')
    FROM minute_activity
    WHERE toStartOfHour(minute) IN {hours:Array(UInt32)}
    GROUP BY minute""",
)
# Which stages an artifact has reached in an hour cannot be taken back one by one.
_ARTIFACT_HOUR: Final = f"""
    INSERT INTO artifact_hours (hour, organizationId, artifact, stages)
    SELECT toStartOfHour(ts) AS hour, e.organizationId, sipHash128(artifactId), groupBitOr(toUInt8({STAGE_BIT}))
    FROM events AS e
    WHERE artifactId != ''
      AND ts >= toDateTime({{hour:UInt32}}, 'UTC') AND ts < toDateTime({{hour:UInt32}} + 3600, 'UTC')
    GROUP BY hour, e.organizationId, artifactId"""  # noqa: S608  (names of ours)


class StoredCopy(NamedTuple):
    """A row of an event; rows of one event sort in log order."""

    event_id: str
    append_time_ms: int
    partition: int
    offset: int
    timestamp: int
    event_type: str
    organization_id: str

    def repeats(self, earlier: "StoredCopy", remembered_ms: int) -> bool:
        """Whether it has the id of an event that another partition brought, within the time that ids are remembered."""
        return (
            self.event_id == earlier.event_id
            and self.partition != earlier.partition
            and self[4:] != earlier[4:]
            and self.append_time_ms <= earlier.timestamp + remembered_ms
        )


def later_copies(rows: Iterable[StoredCopy], remembered_ms: int) -> list[StoredCopy]:
    """Rows that repeat an earlier one of the log which is none itself."""
    kept: dict[str, list[StoredCopy]] = defaultdict(list)
    later = []
    for row in sorted(rows):
        if any(row.repeats(earlier, remembered_ms) for earlier in kept[row.event_id]):
            later.append(row)
        else:
            kept[row.event_id].append(row)
    return later


class CopyRemoval:
    """Deletes the rows of later copies and has their hours computed again; any number of them at once do no harm."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings.clickhouse
        self._remembered_ms = settings.ingest.duplicates_hours * HOUR_MS
        self._placement = Placement(settings.clickhouse.cluster)

    def run_once(self) -> int:
        """Number of rows deleted. Raises SinkUnavailable if ClickHouse does not answer, StoreError if it refuses."""
        with clear_errors(self._settings):
            slices = 1 + int(self._client.query("SELECT count() FROM events").result_rows[0][0]) // SLICE_ROWS
            return sum(self._remove(self._later_copies(number, slices)) for number in range(slices))

    def _later_copies(self, number: int, slices: int) -> list[StoredCopy]:
        bounds = {"slice": number, "slices": slices, "most": MOST_IDS}
        ids = [str(event_id) for (event_id,) in self._client.query(_SHARED_IDS, parameters=bounds).result_rows]
        later = []
        for first in range(0, len(ids), IDS_PER_QUESTION):
            chunk = {"ids": ids[first : first + IDS_PER_QUESTION]}
            rows = self._client.query(_ROWS, parameters=chunk).result_rows
            later += later_copies((StoredCopy(*row) for row in rows), self._remembered_ms)
        return later

    def _remove(self, later: list[StoredCopy]) -> int:
        by_hour: dict[int, list[StoredCopy]] = defaultdict(list)
        for row in later:
            by_hour[window_start_ms(row.timestamp) // 1000].append(row)
        if by_hour:
            # Before as well: a worker that dies in between leaves no hour with figures of deleted rows.
            self._mark(list(by_hour))
            for hour_s, rows in by_hour.items():
                self._delete(hour_s, rows)
            self._mark(list(by_hour))
            log.warning(
                "Deleted rows of events that another partition brought before, with other content",
                rows=len(later),
                event_ids=sorted({row.event_id for row in later})[:3],
            )
        return len(later)

    def _delete(self, hour_s: int, rows: list[StoredCopy]) -> None:
        database, hour = self._settings.database, f"{datetime.fromtimestamp(hour_s, UTC):%Y-%m-%d %H:%M:%S}"
        for first in range(0, len(rows), PLACES_PER_STATEMENT):
            chunk = rows[first : first + PLACES_PER_STATEMENT]
            places = ", ".join(f"({row.partition}, {row.offset})" for row in chunk)
            condition = f"(source_partition, source_offset) IN ({places})"
            self._alter(f"ALTER TABLE {database}.events DELETE IN PARTITION '{hour}' WHERE {condition}")
            if any(row.event_type in FAIL for row in chunk):
                self._alter(f"ALTER TABLE {database}.error_events DELETE WHERE {condition}")
        self._alter(f"ALTER TABLE {database}.artifact_hours DELETE WHERE hour = {hour_s}")
        self._insert(_ARTIFACT_HOUR, {"hour": hour_s})

    def _mark(self, hours: list[int]) -> None:
        for mark in _MARKS:
            self._insert(mark, {"hours": hours})

    def _insert(self, statement: str, parameters: dict[str, Any]) -> None:
        settings = DURABLE_INSERT | ({"distributed_foreground_insert": "1"} if self._placement.cluster else {})
        self._client.command(statement, parameters=parameters, settings=settings)

    def _alter(self, statement: str) -> None:
        for placed in self._placement.statements(statement):
            self._client.command(placed, settings={"mutations_sync": "1"})


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
            seen_ms = await asyncio.to_thread(_look, settings, seen_ms)
        except (SinkUnavailable, StoreError, OSError) as error:
            log.warning("Later copies not looked for, trying again", reason=str(error) or type(error).__name__)
        rest = REST * (time.monotonic() - began)


def _look(settings: Settings, seen_ms: int) -> int:
    """When a row was stored last, in epoch milliseconds, before the look; none is needed if that is `seen_ms`."""
    client = connect(settings.clickhouse)
    try:
        with clear_errors(settings.clickhouse):
            newest_ms = int(client.query(_NEWEST).result_rows[0][0])
        if newest_ms != seen_ms:
            CopyRemoval(client, settings).run_once()
        return newest_ms
    finally:
        client.close()
