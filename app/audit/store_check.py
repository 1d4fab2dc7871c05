"""Accepted events of the log beside the rows of ClickHouse, hour by hour of event time.

The log is read partition by partition, the store by hour, so accepted events wait on disk in one file an hour, 69 bytes
each; memory holds one hour.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from clickhouse_connect.driver.client import Client

from app.audit.report import Differences, HourFigures, Notes
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
ID_CONFLICTS = (
    "SELECT count() FROM (SELECT eventId FROM events FINAL WHERE ts >= fromUnixTimestamp64Milli({from:Int64}) "
    "GROUP BY eventId HAVING count() > 1)"
)


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
    allowed: list[Content] = field(default_factory=list)

    def add(self, content: Content, must_be_there: bool) -> None:
        if not must_be_there:
            self.allowed.append(content)
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
    settings: ClickHouseSettings, expected: ExpectedRows, scope: Scope, notes: Notes, differences: Differences
) -> list[HourFigures]:
    """Figures of every hour that has events or rows; notes rows that are missing, too many or not as the log says.

    Raises SinkUnavailable or StoreError.
    """
    client = connect(settings)
    try:
        with clear_errors(settings):
            visible = {"from": scope.visible_from_ms}
            stored_hours = {int(hour) for (hour,) in client.query(HOURS, parameters=visible).result_rows}
            notes.id_conflicts = int(client.query(ID_CONFLICTS, parameters=visible).result_rows[0][0])
            first_hour = window_start_ms(scope.visible_from_ms)
            hours = sorted(hour for hour in stored_hours | expected.hours if hour >= first_hour)
            return [_compare_hour(client, hour, expected, scope, differences) for hour in hours]
    finally:
        client.close()


def _compare_hour(
    client: Client, hour_ms: int, expected: ExpectedRows, scope: Scope, differences: Differences
) -> HourFigures:
    figures = HourFigures(hour_ms)
    copies: dict[bytes, _Copies] = {}
    for content, must_be_there in expected.of_hour(hour_ms):
        if content.timestamp_ms >= scope.visible_from_ms:
            copies.setdefault(content.key, _Copies()).add(content, must_be_there)
    figures.expected = sum(found.required is not None for found in copies.values())
    parameters = {"from": hour_ms, "to": hour_ms + HOUR_MS}
    with client.query_rows_stream(ROWS_OF_HOUR, parameters=parameters) as rows:
        for values in rows:
            row = content_of_row(values)
            _compare_row(row, copies.pop(row.key, None), scope, figures, differences)
    for found in copies.values():
        if found.required is not None:
            figures.missing += 1
            differences.add("store", found.required.partition, f"{_place(found.required)} has no row")
    return figures


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
