"""Finds rows of an event whose copies came through several partitions with other content.

Copies under several keys have rows of their own in `events`. Copies under one key are one row there, that of the copy
first in the log, but if they name several artifacts, each is known of its own one; and of one artifact, what the later
ones tell of a start or a channel is among its marks.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

SLICE_ROWS: Final = 2_000_000
SLICE_ARTIFACTS: Final = 200_000
MOST_IDS: Final = 10_000
# A statement is at most 256 KiB long, and one names them twice.
IDS_PER_QUESTION: Final = 2500
# Some name each copy five times.
MOST_COPIES: Final = 400
MOST_BYTES: Final = 40_000

NOWHERE: Final = 2**32 - 1
"""The partition of a copy that only marks tell of: it has left no row, so its place in the log is not known."""

# In slices of the ids, which bounds the memory.
_SEVERAL_KEYS: Final = """
    SELECT eventId
    FROM events
    WHERE cityHash64(eventId) % {slices:UInt32} = {slice:UInt32}
    GROUP BY eventId
    HAVING min(source_partition) != max(source_partition)
       AND min(cityHash64(organizationId, eventType, ts)) != max(cityHash64(organizationId, eventType, ts))
    LIMIT {most:UInt32}"""
# Such copies have one time, and one of them was stored lately, so all of them are at most as old as the oldest hour
# that got rows since. A clock may be an hour behind.
_OLDEST_ACTIVE_HOUR: Final = """
    SELECT toUnixTimestamp(min(hour)) * 1000
    FROM hour_activity
    WHERE last_stored >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"""
_IS_ACTIVE: Final = """last_stored >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') - INTERVAL 1 HOUR
          AND last_event >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
          AND artifactId NOT IN (SELECT artifactId FROM overgrown_artifacts)"""
_SEVERAL_ARTIFACTS: Final = f"""
    SELECT id
    FROM (
        SELECT cityHash64(artifactId) AS artifact, arrayJoin(mapKeys(events)) AS id
        FROM artifact_state
        WHERE {_IS_ACTIVE}
        UNION ALL
        SELECT cityHash64('') AS artifact, eventId AS id
        FROM events
        WHERE empty(artifactId) AND ts >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC')
    )
    WHERE cityHash64(id) % {{slices:UInt32}} = {{slice:UInt32}}
    GROUP BY id
    HAVING min(artifact) != max(artifact)
    LIMIT {{most:UInt32}}"""  # noqa: S608  (names of ours)
_OF_SLICE: Final = f"""cityHash64(artifactId) % {{slices:UInt32}} = {{slice:UInt32}}
          AND artifactId IN (
            SELECT artifactId
            FROM artifact_state
            WHERE cityHash64(artifactId) % {{slices:UInt32}} = {{slice:UInt32}} AND {_IS_ACTIVE})"""  # noqa: S608
# Of one start event several starts.
_OTHER_STARTS: Final = f"""
    SELECT artifactId, start.1 AS timestamp, start.2 AS id
    FROM (
        SELECT artifactId, groupUniqArrayArray(starts) AS all
        FROM artifact_marks
        WHERE {_OF_SLICE}
        GROUP BY artifactId
        HAVING length(all) != length(arrayDistinct(arrayMap(start -> (start.1, start.2), all)))
    )
    ARRAY JOIN all AS start
    GROUP BY artifactId, timestamp, id
    HAVING count() > 1
    LIMIT {{most:UInt32}}"""  # noqa: S608  (names of ours)
# A channel that is not the one in the artifact's row, which is made of the first copies. It may just be newer.
_OTHER_CHANNELS: Final = f"""
    SELECT artifactId, toInt64(substring(max(shown) AS text, 1, 20)), substring(text, 21, 36), substring(text, 57)
    FROM (
        SELECT artifactId, max(channel) AS shown, '' AS told, 0 AS has_row
        FROM artifact_marks
        WHERE {_OF_SLICE}
        GROUP BY artifactId
        UNION ALL
        SELECT artifactId, '' AS shown, argMax(sourceChannel, version) AS told, 1 AS has_row
        FROM artifact_rows
        WHERE {_OF_SLICE}
        GROUP BY artifactId
    )
    GROUP BY artifactId
    HAVING max(has_row) = 1 AND text != '' AND max(told) != substring(text, 57)
    LIMIT {{most:UInt32}}"""  # noqa: S608
_TOLD_CHANNELS: Final = """
    SELECT artifactId, toString(id), ifNull(known[id].sourceChannel, '')
    FROM (
        SELECT artifactId, minMap(events) AS known
        FROM artifact_state
        WHERE artifactId IN %(artifact_ids)s
        GROUP BY artifactId
    )
    ARRAY JOIN mapKeys(known) AS id
    WHERE id IN %(event_ids)s"""
_ROWS: Final = """
    SELECT append_time_ms, source_partition, source_offset, eventId, timestamp, eventType, organizationId, artifactId
    FROM events
    WHERE eventId IN %(ids)s"""
_ROWS_OF_ARTIFACTS: Final = """
    SELECT e.append_time_ms, e.source_partition, e.source_offset, id, e.timestamp, e.eventType, e.organizationId,
        artifactId
    FROM artifact_state
    ARRAY JOIN mapKeys(events) AS id, mapValues(events) AS e
    WHERE artifactId IN (
        SELECT artifactId
        FROM artifact_state
        WHERE last_stored >= fromUnixTimestamp64Milli(%(from_ms)s, 'UTC') - INTERVAL 1 HOUR
          AND last_event >= fromUnixTimestamp64Milli(%(from_ms)s, 'UTC')
          AND artifactId NOT IN (SELECT artifactId FROM overgrown_artifacts)
          AND arrayExists(known -> known IN %(ids)s, mapKeys(events)))
      AND id IN %(ids)s"""


class StoredCopy(NamedTuple):
    """A row of an event; rows sort in log order."""

    append_time_ms: int
    partition: int
    offset: int
    event_id: str
    timestamp: int
    event_type: str
    organization_id: str
    artifact_id: str

    def repeats(self, earlier: "StoredCopy", remembered_ms: int) -> bool:
        """Whether it has the id of an event that another partition brought, within the time that ids are remembered."""
        return (
            self.event_id == earlier.event_id
            and self.partition != earlier.partition
            and self[4:] != earlier[4:]
            and self.append_time_ms <= earlier.timestamp + remembered_ms
        )


def stored_copy(row: Sequence[Any]) -> StoredCopy:
    """The copy of a row with its values in order."""
    values = list(row)
    values[3] = str(values[3])
    return StoredCopy(*values)


def chunks_of(copies: Sequence[StoredCopy]) -> Iterator[list[StoredCopy]]:
    """The copies in pieces that fit into a statement."""
    chunk: list[StoredCopy] = []
    size = 0
    for copy in copies:
        size += 2 * len(copy.artifact_id.encode())
        if chunk and (len(chunk) == MOST_COPIES or size > MOST_BYTES):
            yield chunk
            chunk, size = [], 2 * len(copy.artifact_id.encode())
        chunk.append(copy)
    if chunk:
        yield chunk


def _unplaced(artifact_id: str, timestamp: int, event_id: str) -> StoredCopy:
    """A copy that only the marks of its artifact tell of, with a number of its own in place of an offset."""
    number = hashlib.blake2b(f"{event_id}{artifact_id}".encode(), digest_size=8).digest()
    return StoredCopy(0, NOWHERE, int.from_bytes(number), event_id, timestamp, "", "", artifact_id)


def later_copies(rows: Iterable[StoredCopy], remembered_ms: int) -> list[StoredCopy]:
    """Rows that repeat an earlier one of the log which is none itself."""
    kept: dict[str, list[StoredCopy]] = defaultdict(list)
    later = []
    for row in sorted(set(rows)):
        if any(row.repeats(earlier, remembered_ms) for earlier in kept[row.event_id]):
            later.append(row)
        else:
            kept[row.event_id].append(row)
    return later


class CopySearch:
    """Looks through all rows; every method raises what the client raises."""

    def __init__(self, client: Client, remembered_ms: int) -> None:
        self._client = client
        self._remembered_ms = remembered_ms

    def later(self, since_ms: int) -> list[StoredCopy]:
        """Copies to remove; those that name another artifact only if one of the copies was stored since then."""
        slices = 1 + int(self._query("SELECT count() FROM events")[0][0]) // SLICE_ROWS
        from_ms = int(self._query(_OLDEST_ACTIVE_HOUR, since_ms=max(0, since_ms))[0][0])
        later = []
        for number in range(slices):
            bounds = {"slice": number, "slices": slices, "most": MOST_IDS}
            by_key = self._ids(_SEVERAL_KEYS, **bounds)
            by_artifact = self._ids(_SEVERAL_ARTIFACTS, from_ms=from_ms, **bounds)
            for ids in _pieces(sorted(by_key | by_artifact)):
                rows = self._query(_ROWS, ids=ids)
                if not by_artifact.isdisjoint(ids):
                    rows = [*rows, *self._query(_ROWS_OF_ARTIFACTS, ids=ids, from_ms=from_ms)]
                later += later_copies(map(stored_copy, rows), self._remembered_ms)
        return later + self._told_by_marks(from_ms)

    def _told_by_marks(self, from_ms: int) -> list[StoredCopy]:
        slices = 1 + int(self._query("SELECT count() FROM artifact_state")[0][0]) // SLICE_ARTIFACTS
        found = []
        for number in range(slices):
            found += self._of_marks({"slice": number, "slices": slices, "most": MOST_IDS, "from_ms": from_ms})
        return found

    def _of_marks(self, bounds: dict[str, int]) -> list[StoredCopy]:
        """Events of which the marks of their artifact tell something that the copy first in the log does not."""
        found = {_unplaced(*row) for row in self._query(_OTHER_STARTS, **bounds)}
        shown = {_unplaced(*mark): channel for *mark, channel in self._query(_OTHER_CHANNELS, **bounds)}
        for some in chunks_of(list(shown)):
            asked = {name: tuple(getattr(copy, name[:-1]) for copy in some) for name in ("artifact_ids", "event_ids")}
            told = {row[:2]: row[2] for row in self._query(_TOLD_CHANNELS, **asked)}
            found |= {copy for copy in some if told.get((copy.artifact_id, copy.event_id), shown[copy]) != shown[copy]}
        return sorted(found)

    def _ids(self, statement: str, **parameters: Any) -> set[str]:
        return {str(event_id) for (event_id,) in self._query(statement, **parameters)}

    def _query(self, statement: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return self._client.query(statement, parameters=parameters).result_rows


def _pieces(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for first in range(0, len(ids), IDS_PER_QUESTION):
        yield tuple(ids[first : first + IDS_PER_QUESTION])
