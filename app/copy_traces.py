"""Takes back what rows of later copies left in every table that is made of events.

Everything may run again, in two workers at once, and while rows are inserted: what is deleted names the copies, and
what is computed anew comes out of rows that are there.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from app.copy_search import StoredCopy, chunks_of
from app.domain.event_types import FAIL
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.distributions import STAGE_BIT
from app.runtime.settings import ClickHouseSettings
from sinks.clickhouse.client import DURABLE_INSERT
from sinks.clickhouse.formulas import BREAKER_STATE
from sinks.clickhouse.placement import Placement

BREAKERS: Final = frozenset({"circuit_breaker_opened", "circuit_breaker_closed"})

_PLACES: Final = "(source_partition, source_offset) IN %(places)s"
_IS_COPY: Final = "(e.source_partition, e.source_offset) IN %(places)s"
_IN_HOURS: Final = """ts >= toDateTime(%(from_s)s, 'UTC') AND ts < toDateTime(%(to_s)s, 'UTC')
      AND toUnixTimestamp(toStartOfHour(ts)) IN %(hours)s"""
_HASHES: Final = "(SELECT sipHash128(arrayJoin(%(artifact_list)s)))"

# What the table says of an artifact names a copy: of parts that are not merged yet the first one in the log counts.
_KNOWN: Final = """
    SELECT artifactId, minMap(events) AS known
    FROM artifact_state
    WHERE artifactId IN %(artifacts)s
    GROUP BY artifactId"""
_NAMED_BY_STATE: Final = f"""
    SELECT artifactId FROM ({_KNOWN})
    WHERE arrayExists(e -> {_IS_COPY}, mapValues(known))"""  # noqa: S608
_TAKE_FROM_STATE: Final = f"""UPDATE events = mapFilter((id, e) -> NOT ({_IS_COPY}), events)
    WHERE artifactId IN %(named)s"""

# A receipt, a completion and a channel begin with the time and the id of their event.
_START: Final = "concat(leftPad(toString(s.timestamp), 20, '0'), s.eventId)"
_NAMED_BY_MARKS: Final = f"""
    SELECT DISTINCT artifactId
    FROM artifact_marks
    WHERE artifactId IN %(artifacts)s
      AND (substring(receipt, 1, 56) IN %(moments)s OR substring(completion, 1, 56) IN %(moments)s
           OR substring(channel, 1, 56) IN %(moments)s OR arrayExists(s -> {_START} IN %(moments)s, starts))"""  # noqa: S608
_TAKE_FROM_MARKS: Final = f"""UPDATE
        receipt = if(substring(receipt, 1, 56) IN %(moments)s, '~', receipt),
        completion = if(substring(completion, 1, 56) IN %(moments)s, '~', completion),
        channel = if(substring(channel, 1, 56) IN %(moments)s, '', channel),
        starts = arrayFilter(s -> {_START} NOT IN %(moments)s, starts)
    WHERE artifactId IN %(named)s"""


def _moment(text: str) -> str:
    return f"concat(leftPad(toString(e.timestamp), 20, '0'), toString(id), {text})"


# As the view fills the table: what a minimum or a maximum had swallowed comes back.
_FILL_MARKS: Final = f"""
    INSERT INTO artifact_marks (artifactId, receipt, completion, starts, channel, hours, organizations)
    SELECT
        artifactId,
        min(if(e.eventType = 'artifact_received', {_moment("e.organizationId")}, '~')),
        min(if(e.eventType = 'artifact_completed', {_moment("e.organizationId")}, '~')),
        groupUniqArrayIf(
            (e.timestamp, toString(id), ifNull(e.stageStartedAt, e.timestamp), e.pipelineStage),
            endsWith(e.eventType, '_started')),
        max(if(e.sourceChannel IS NULL, '', {_moment("assumeNotNull(e.sourceChannel)")})),
        groupUniqArray(toStartOfHour(fromUnixTimestamp64Milli(e.timestamp, 'UTC'))),
        groupUniqArray(e.organizationId)
    FROM ({_KNOWN})
    ARRAY JOIN mapKeys(known) AS id, mapValues(known) AS e
    WHERE NOT ({_IS_COPY})
    GROUP BY artifactId"""  # noqa: S608

_STAGES: Final = f"""
    SELECT toStartOfHour(ts) AS hour, toString(e.organizationId) AS organizationId, sipHash128(artifactId) AS artifact,
        groupBitOr(toUInt8({STAGE_BIT})) AS stages
    FROM events AS e
    WHERE {_IN_HOURS} AND artifactId IN %(artifacts)s AND NOT ({_PLACES})
    GROUP BY hour, organizationId, artifact"""  # noqa: S608
_WRONG_STAGES: Final = f"""
    SELECT count()
    FROM (
        SELECT hour, organizationId, artifact, stages AS has, toUInt8(0) AS should
        FROM artifact_hours
        WHERE toUnixTimestamp(hour) IN %(hours)s AND artifact IN {_HASHES}
        UNION ALL
        SELECT hour, organizationId, artifact, toUInt8(0) AS has, stages AS should
        FROM ({_STAGES})
    )
    GROUP BY hour, organizationId, artifact
    HAVING groupBitOr(has) != groupBitOr(should)
    LIMIT 1"""  # noqa: S608
_TAKE_FROM_STAGES: Final = f"DELETE WHERE toUnixTimestamp(hour) IN %(hours)s AND artifact IN {_HASHES}"
_FILL_STAGES: Final = f"INSERT INTO artifact_hours (hour, organizationId, artifact, stages) {_STAGES}"

_IS_BREAKER: Final = "toUnixTimestamp(hour) IN %(hours)s AND latest.eventId IN %(ids)s"
_FILL_BREAKER: Final = f"""
    INSERT INTO breaker_hours (organizationId, hour, latest)
    SELECT toString(e.organizationId) AS organizationId, toStartOfHour(ts) AS hour,
        max((timestamp, toString(eventId), log_order, {BREAKER_STATE}))
    FROM events AS e
    WHERE {_IN_HOURS} AND eventType IN ('circuit_breaker_opened', 'circuit_breaker_closed') AND NOT ({_PLACES})
    GROUP BY organizationId, hour"""  # noqa: S608

# The refresh takes the artifacts for such as got an event just now, the roll-up for such as got a start or an end: it
# computes every hour in which they ended something. Greater than all before, also by the clock of another server.
_TOUCH: Final = """
    INSERT INTO artifact_state (artifactId, last_stored, last_link_stored)
    SELECT artifactId, moment, moment
    FROM (
        SELECT artifactId, greatest(max(last_stored), now64(3, 'UTC')) + toIntervalMillisecond(1) AS moment
        FROM artifact_state
        WHERE artifactId IN %(artifacts)s
        GROUP BY artifactId
    )"""
# The roll-up takes them for rows that were stored in these hours and minutes just now.
_MARK_HOURS: Final = """
    INSERT INTO hour_activity (hour, last_stored)
    SELECT toDateTime(arrayJoin(%(hour_list)s), 'UTC'), now64(3, 'UTC')"""
_MARK_MINUTES: Final = """
    INSERT INTO minute_activity (minute, last_stored)
    SELECT toDateTime(arrayJoin(%(minute_list)s), 'UTC'), now64(3, 'UTC')"""
_MARK_MINUTES_OF_ARTIFACTS: Final = """
    INSERT INTO minute_activity (minute, last_stored)
    SELECT toStartOfMinute(ts) AS minute, now64(3, 'UTC')
    FROM events
    WHERE artifactId IN %(artifacts)s
      AND toStartOfHour(ts) IN (SELECT arrayJoin(hours) FROM artifact_marks WHERE artifactId IN %(artifacts)s)
    GROUP BY minute"""


class CopyTraces:
    """Every method raises what the client raises."""

    def __init__(self, client: Client, settings: ClickHouseSettings) -> None:
        self._client = client
        self._settings = settings
        self._placement = Placement(settings.cluster)

    def remove(self, copies: Sequence[StoredCopy]) -> None:
        """Nothing tells of the copies any more, and what depended on them is marked to be computed again."""
        self._remove_events(copies)
        self._remove_failures([copy for copy in copies if copy.event_type in FAIL])
        self._remove_breakers([copy for copy in copies if copy.event_type in BREAKERS])
        chunks = [_parameters(chunk) for chunk in chunks_of([copy for copy in copies if copy.artifact_id])]
        self._remove_stages(chunks)
        known = [chunk for chunk in map(self._without_overgrown, chunks) if chunk["artifacts"]]
        self._change_named("artifact_state", known, _NAMED_BY_STATE, _TAKE_FROM_STATE)
        self._change_named("artifact_marks", known, _NAMED_BY_MARKS, _TAKE_FROM_MARKS)
        for statement in (_FILL_MARKS, _TOUCH, _MARK_MINUTES_OF_ARTIFACTS):
            self._insert(statement, known)
        for statement in (_MARK_HOURS, _MARK_MINUTES):
            self._insert(statement, [_parameters(chunk) for chunk in chunks_of(copies)])

    def _remove_events(self, copies: Sequence[StoredCopy]) -> None:
        """Each hour is a partition of its own, and that the last one is done says nothing of the others."""
        by_hour: dict[int, list[StoredCopy]] = defaultdict(list)
        for copy in copies:
            by_hour[copy.timestamp // HOUR_MS].append(copy)
        chunks = [_parameters(chunk) for of_hour in by_hour.values() for chunk in chunks_of(of_hour)]
        stored = self._stored_events(chunks)
        for number, chunk in enumerate(stored, 1):
            self._delete_events(chunk, is_waited_for=number == len(stored))
        for chunk in self._stored_events(stored):
            self._delete_events(chunk, is_waited_for=True)

    def _stored_events(self, chunks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [chunk for chunk in chunks if self._any(f"events WHERE {_IN_HOURS} AND {_PLACES}", chunk)]

    def _delete_events(self, chunk: dict[str, Any], *, is_waited_for: bool) -> None:
        hour = f"{datetime.fromtimestamp(chunk['from_s'], UTC):%Y-%m-%d %H:%M:%S}"
        self._alter("events", f"DELETE IN PARTITION '{hour}' WHERE {_PLACES}", chunk, is_waited_for=is_waited_for)

    def _remove_failures(self, copies: Sequence[StoredCopy]) -> None:
        chunks = [_parameters(chunk) for chunk in chunks_of(copies)]
        stored = [chunk for chunk in chunks if self._any(f"error_events WHERE {_PLACES}", chunk)]
        self._change("error_events", f"DELETE WHERE {_PLACES}", stored)

    def _remove_breakers(self, copies: Sequence[StoredCopy]) -> None:
        chunks = [_parameters(chunk) for chunk in chunks_of(copies)]
        stored = [chunk for chunk in chunks if self._any(f"breaker_hours WHERE {_IS_BREAKER}", chunk)]
        self._change("breaker_hours", f"DELETE WHERE {_IS_BREAKER}", stored)
        self._insert(_FILL_BREAKER, chunks)

    def _remove_stages(self, chunks: Sequence[dict[str, Any]]) -> None:
        wrong = [chunk for chunk in chunks if self._query(_WRONG_STAGES, chunk)]
        self._change("artifact_hours", _TAKE_FROM_STAGES, wrong)
        self._insert(_FILL_STAGES, wrong)

    def _without_overgrown(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """Nothing more is kept of these artifacts, so nothing could be computed anew."""
        overgrown = self._query("SELECT artifactId FROM overgrown_artifacts WHERE artifactId IN %(artifacts)s", chunk)
        left = set(chunk["artifacts"]) - {artifact_id for (artifact_id,) in overgrown}
        return chunk | {"artifacts": tuple(sorted(left))}

    def _change_named(self, table: str, chunks: Sequence[dict[str, Any]], question: str, change: str) -> None:
        """Change what the table holds of the artifacts that it answers with."""
        named = [chunk | {"named": tuple(row[0] for row in self._query(question, chunk))} for chunk in chunks]
        self._change(table, change, [chunk for chunk in named if chunk["named"]])

    def _change(self, table: str, change: str, chunks: Sequence[dict[str, Any]]) -> None:
        """Mutations of a table run in order and are joined where they can be: only the last one is waited for."""
        for number, chunk in enumerate(chunks, 1):
            self._alter(table, change, chunk, is_waited_for=number == len(chunks))

    def _alter(self, table: str, change: str, chunk: dict[str, Any], *, is_waited_for: bool) -> None:
        # 2 waits for every replica: figures that are computed next may come from another one.
        settings = {"mutations_sync": "2" if is_waited_for else "0"}
        for placed in self._placement.statements(f"ALTER TABLE {self._settings.database}.{table} {change}"):
            self._client.command(placed, parameters=chunk, settings=settings)

    def _any(self, rows: str, parameters: dict[str, Any]) -> bool:
        return bool(self._query(f"SELECT count() > 0 FROM {rows}", parameters)[0][0])  # noqa: S608  (names of ours)

    def _query(self, question: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        return self._client.query(question, parameters=parameters).result_rows

    def _insert(self, statement: str, chunks: Sequence[dict[str, Any]]) -> None:
        settings = DURABLE_INSERT | ({"distributed_foreground_insert": "1"} if self._settings.cluster else {})
        for chunk in chunks:
            self._client.command(statement, parameters=chunk, settings=settings)


def _parameters(copies: Sequence[StoredCopy]) -> dict[str, Any]:
    hours = sorted({copy.timestamp // HOUR_MS * HOUR_MS // 1000 for copy in copies})
    artifacts = sorted({copy.artifact_id for copy in copies if copy.artifact_id})

    def each(value: Callable[[StoredCopy], Any]) -> tuple[Any, ...]:
        return tuple(sorted({value(copy) for copy in copies}))

    return {
        "places": each(lambda copy: (copy.partition, copy.offset)),
        "moments": each(lambda copy: f"{copy.timestamp:020}{copy.event_id}"),
        "ids": each(lambda copy: copy.event_id),
        "artifacts": tuple(artifacts),
        "artifact_list": artifacts,
        "hours": tuple(hours),
        "hour_list": hours,
        "minute_list": list(each(lambda copy: copy.timestamp // MINUTE_MS * MINUTE_MS // 1000)),
        "from_s": hours[0],
        "to_s": hours[-1] + HOUR_MS // 1000,
    }
