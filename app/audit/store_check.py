"""Accepted events of the log beside the rows of ClickHouse, hour by hour of event time.

The log is read partition by partition, the store by hour, so accepted events wait on disk in one file an hour, 69 bytes
each; memory holds one hour.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clickhouse_connect.driver.client import Client

from app.audit.report import Differences, HourFigures, Report
from app.audit.row_content import COLUMNS, HASH_BYTES, KEY_BYTES, Content, content_of_row
from app.domain.windows import HOUR_MS, window_start_ms
from app.runtime.settings import ClickHouseSettings
from sinks.clickhouse.client import clear_errors, connect

_ENTRY = struct.Struct(f"<{KEY_BYTES}s{HASH_BYTES}sqqIQ?")
READ_ENTRIES = 10_000
ROWS_OF_HOUR = (
    f"SELECT {', '.join(COLUMNS)} FROM events FINAL "  # noqa: S608  (names of columns, no input)
    "WHERE ts >= fromUnixTimestamp64Milli({from:Int64}) AND ts < fromUnixTimestamp64Milli({to:Int64})"
)
HOURS = (
    "SELECT DISTINCT toUnixTimestamp(toStartOfHour(ts)) * 1000 FROM events "
    "WHERE ts >= fromUnixTimestamp64Milli({from:Int64}) ORDER BY 1"
)
# By hour, and for hour 0 of all together: an id can have rows in several hours. In slices of the ids, which bounds the
# memory. Of rows under one key the first in the log counts, as with FINAL, which would read the whole table each time.
ID_CONFLICTS = (
    "SELECT toUnixTimestamp(toStartOfHour(ts)) * 1000 AS hour, uniqExact(eventId) FROM ("
    "SELECT eventId, ts, append_time_ms FROM events "
    "WHERE ts >= fromUnixTimestamp64Milli({from:Int64}) AND eventId GLOBAL IN (SELECT eventId FROM events "
    "WHERE ts >= fromUnixTimestamp64Milli({from:Int64}) AND cityHash64(eventId) % {slices:UInt32} = {slice:UInt32} "
    "GROUP BY eventId "
    "HAVING min(cityHash64(organizationId, eventType, ts)) != max(cityHash64(organizationId, eventType, ts))) "
    "ORDER BY log_order DESC LIMIT 1 BY organizationId, eventType, ts, eventId) "
    "WHERE append_time_ms >= {appended_from:Int64} AND append_time_ms < {appended_to:Int64} "
    "GROUP BY GROUPING SETS ((hour), ())"
)
COUNT = "SELECT count() FROM events WHERE ts >= fromUnixTimestamp64Milli({from:Int64})"
SLICE_ROWS = 2_000_000
NEVER_MS = 2**62
# An event whose row is not there may have been brought before by another partition, with other content.
ROWS_OF_IDS = (
    "SELECT toString(eventId), append_time_ms, source_partition, source_offset FROM events "
    "WHERE eventId IN {ids:Array(UUID)}"
)
MOST_ASKED = 1000
IDS_PER_QUESTION = 100


class ExpectedRows:
    """Accepted events on disk, by hour of their timestamp."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, BinaryIO] = {}

    def add(self, content: Content, must_be_there: bool) -> None:
        """Note an event; one whose offset is not committed, or that the store refused, may be missing."""
        hour = window_start_ms(content.timestamp_ms)
        file = self._files.get(hour)
        if file is None:
            file = self._files[hour] = (self._folder / str(hour)).open("w+b")
        key, digest, timestamp_ms, append_time_ms, partition, offset = content
        file.write(_ENTRY.pack(key, digest, timestamp_ms, append_time_ms, partition, offset, must_be_there))

    @property
    def hours(self) -> set[int]:
        """Hours that have events."""
        return set(self._files)

    def of_hour(self, hour_ms: int) -> Iterator[tuple[Content, bool]]:
        """Events of an hour, and whether their rows must be there."""
        file = self._files.get(hour_ms)
        if file is None:
            return
        file.seek(0)
        while chunk := file.read(_ENTRY.size * READ_ENTRIES):
            for *content, must_be_there in _ENTRY.iter_unpack(chunk):
                yield Content(*content), must_be_there

    def close(self) -> None:
        """Close the files; their folder is the caller's."""
        for file in self._files.values():
            file.close()


@dataclass(slots=True)
class _Copies:
    """What the log has under one key: the copy that must be stored, and those that may be instead of it."""

    required: Content | None = None
    allowed: tuple[Content, ...] = ()

    def add(self, content: Content, must_be_there: bool) -> None:
        if not must_be_there:
            self.allowed += (content,)
        elif self.required is None or content.order < self.required.order:
            self.required = content

    def explains(self, row: Content) -> bool:
        if self.required is not None and row.digest == self.required.digest:
            return True
        return any(
            copy.digest == row.digest and (self.required is None or copy.order < self.required.order)
            for copy in self.allowed
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows the audit speaks of: appended in a range, with an event time that readers still see.

    `read` gives, by partition, the first offset that was recounted and the one behind the last: rows from elsewhere are
    too old or too young to be judged.
    """

    from_ms: int | None
    to_ms: int | None
    visible_from_ms: int
    read: Mapping[int, tuple[int, int]]

    def covers(self, row: Content) -> bool:
        """Whether the audit speaks of a row."""
        first, end = self.read.get(row.partition, (0, 2**63))
        return (
            first <= row.offset < end
            and row.timestamp_ms >= self.visible_from_ms
            and (self.from_ms is None or row.append_time_ms >= self.from_ms)
            and (self.to_ms is None or row.append_time_ms < self.to_ms)
        )


def compare_store(
    settings: ClickHouseSettings, expected: ExpectedRows, scope: Scope, report: Report, say: Callable[[str], None]
) -> list[HourFigures]:
    """Figures of every hour that has events or rows; notes rows that are missing, too many or not as the log says.

    `say` is told how far it is. Raises SinkUnavailable or StoreError.
    """
    client = connect(settings)
    try:
        with clear_errors(settings):
            visible = {"from": scope.visible_from_ms}
            stored_hours = {int(hour) for (hour,) in client.query(HOURS, parameters=visible).result_rows}
            say("ids under several keys")
            conflicts = _id_conflicts(client, scope)
            report.notes.id_conflicts = conflicts.get(0, 0)
            first_hour = window_start_ms(scope.visible_from_ms)
            hours = sorted(hour for hour in stored_hours | expected.hours if hour >= first_hour)
            found = []
            for number, hour in enumerate(hours, 1):
                say(f"comparing with ClickHouse: hour {number} of {len(hours)}")
                figures = HourFigures(
                    hour, refused=report.notes.refused_by_hour[hour], id_conflicts=conflicts.get(hour, 0)
                )
                _compare_hour(client, figures, expected, scope, report)
                found.append(figures)
            return found
    finally:
        client.close()


def _id_conflicts(client: Client, scope: Scope) -> dict[int, int]:
    """How many ids of rows in the range have rows under several keys: by hour, and of all together at 0."""
    parameters = {
        "from": scope.visible_from_ms,
        "appended_from": scope.from_ms or 0,
        "appended_to": NEVER_MS if scope.to_ms is None else scope.to_ms,
        "slices": 1
        + int(client.query(COUNT, parameters={"from": scope.visible_from_ms}).result_rows[0][0]) // SLICE_ROWS,
    }
    found: Counter[int] = Counter()
    for number in range(parameters["slices"]):
        for hour, ids in client.query(ID_CONFLICTS, parameters=parameters | {"slice": number}).result_rows:
            found[hour] += ids
    return found


def _compare_hour(client: Client, figures: HourFigures, expected: ExpectedRows, scope: Scope, report: Report) -> None:
    hour_ms = figures.hour_ms
    copies: dict[bytes, _Copies] = {}
    for content, must_be_there in expected.of_hour(hour_ms):
        if content.timestamp_ms >= scope.visible_from_ms:
            found = copies.get(content.key)
            if found is None:
                found = copies[content.key] = _Copies()
            found.add(content, must_be_there)
    figures.expected = sum(found.required is not None for found in copies.values())
    parameters = {"from": hour_ms, "to": hour_ms + HOUR_MS}
    with client.query_rows_stream(ROWS_OF_HOUR, parameters=parameters) as rows:
        for values in rows:
            row = content_of_row(values)
            _compare_row(row, copies.pop(row.key, None), scope, figures, report.differences)
    absent = [found.required for found in copies.values() if found.required is not None]
    removed = _later_copies(client, absent[:MOST_ASKED])
    report.notes.removed_copies += len(removed)
    figures.expected -= len(removed)
    for content in absent:
        if content not in removed:
            figures.missing += 1
            report.differences.add("store", content.partition, f"{_place(content)} has no row")


def _later_copies(client: Client, absent: list[Content]) -> set[Content]:
    """Those of which another partition has an earlier copy in the store."""
    stored: dict[str, list[tuple[int, int, int]]] = {}
    for first in range(0, len(absent), IDS_PER_QUESTION):
        ids = [content.event_id for content in absent[first : first + IDS_PER_QUESTION]]
        for event_id, *order in client.query(ROWS_OF_IDS, parameters={"ids": ids}).result_rows:
            stored.setdefault(event_id, []).append((order[0], order[1], order[2]))
    return {
        content
        for content in absent
        if any(order < content.order and order[1] != content.partition for order in stored.get(content.event_id, []))
    }


def _compare_row(
    row: Content, found: _Copies | None, scope: Scope, figures: HourFigures, differences: Differences
) -> None:
    if found is None:
        if scope.covers(row):
            figures.stored += 1
            figures.extra += 1
            differences.add("store", row.partition, f"{_place(row)} has a row, but is no accepted event of the log")
        return
    figures.stored += 1
    if not found.explains(row) and (found.required is not None or scope.covers(row)):
        figures.differing += 1
        source = found.required or found.allowed[0]
        differences.add("store", row.partition, f"the row of {_place(row)} is not what the log has in {_place(source)}")


def _place(content: Content) -> str:
    return f"event {content.event_id} of offset {content.offset}, partition {content.partition}"
