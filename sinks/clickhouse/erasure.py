"""Deletes what ClickHouse holds of an organisation, a coach or an artifact, for good."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from app.runtime.settings import ClickHouseSettings
from sinks.clickhouse.client import clear_errors
from sinks.clickhouse.placement import Placement

ROUNDS: Final = 3
SETTLE_SECONDS: Final = 2.0
"""A worker that was about to write when rows were deleted has done so after this time."""
LONGEST_LIST: Final = 100_000
"""Bytes of ids in one statement: ClickHouse parses no more than 256 KiB."""
SECONDS: Final = 3600.0
"""For one statement: it rewrites every part that holds such rows, and answers when that is done."""


class Kind(StrEnum):
    """Whose data."""

    ORGANISATION = "organisation"
    COACH = "coach"
    ARTIFACT = "artifact"


OWN_COLUMN: Final = {
    Kind.ORGANISATION: "organizationId",
    Kind.COACH: "coachUserId",
    Kind.ARTIFACT: "artifactId",
}
OF_EVENTS: Final = ("events", "error_events")
"""Tables that have a row for each event, also for those without an artifact."""
BY_ARTIFACT: Final = (
    *OF_EVENTS,
    "artifact_marks",
    "late_artifacts",
    "artifact_state",
    "overgrown_artifacts",
    "artifact_rows",
    "artifacts_by_creation",
    "artifacts_by_failure",
)
"""In this order: workers make rows of `artifact_rows` out of `artifact_state`."""
BY_BOTH: Final = {
    "later_copies": "artifactId IN %(ids)s",
    "artifact_hours": "artifact IN (SELECT sipHash128(arrayJoin(%(list)s)))",
}
"""Tables that have an organisation beside an artifact, and how the latter is looked for."""
OF_ORGANISATION: Final = {
    "snapshots_hourly": "organizationId = %(id)s",
    "snapshots_daily": "organizationId = %(id)s",
    **dict.fromkeys(
        ("hourly_figures", "daily_figures", "minute_figures", "breaker_hours", "artifact_totals"),
        "organizationId = %(id)s",
    ),
    # A deleted name leaves a row without it, which workers write again.
    "organization_names": "organizationId = %(id)s AND name != ''",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data, by their id."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class TableRows:
    """How many rows a table holds of the subject."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A condition on a table's rows, with its parameters."""

    table: str
    condition: str
    parameters: dict[str, Any]


class Erasure:
    """Finds and deletes a subject's rows; artifacts of an organisation or a coach go with all their events.

    An artifact belongs to them if one of its events says so. Every method raises SinkUnavailable if ClickHouse does
    not answer, StoreError if it refuses.
    """

    def __init__(
        self,
        client: Client,
        settings: ClickHouseSettings,
        subject: Subject,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._settings, self._subject, self._wait = client, settings, subject, wait
        self._placement = Placement(settings.cluster)
        self._artifacts: frozenset[str] = frozenset()

    def count(self) -> list[TableRows]:
        """Rows of each table that are the subject's now."""
        with clear_errors(self._settings):
            self._artifacts |= self._found()
            counts: dict[str, int] = {}
            for part in self._parts():
                counts[part.table] = counts.get(part.table, 0) + self._counted(part)
            return [TableRows(table, rows) for table, rows in counts.items()]

    def erase(self) -> list[TableRows]:
        """Delete the rows that `count` found, and what workers have written meanwhile; gives what is left."""
        left: list[TableRows] = []
        for _ in range(ROUNDS):
            with clear_errors(self._settings):
                self._delete(list(self._parts()))
            self._wait(SETTLE_SECONDS)
            left = self.count()
            if not any(one.rows for one in left):
                break
        return left

    def _found(self) -> frozenset[str]:
        """Ids of the subject's artifacts."""
        if self._subject.kind is Kind.ARTIFACT:
            return frozenset({self._subject.id})
        column = OWN_COLUMN[self._subject.kind]
        question = (
            f"SELECT DISTINCT artifactId FROM artifact_state WHERE has(mapValues(events).{column}, %(id)s) "  # noqa: S608
            f"UNION DISTINCT SELECT artifactId FROM artifact_rows WHERE {column} = %(id)s "
            f"UNION DISTINCT SELECT artifactId FROM events WHERE {column} = %(id)s AND artifactId != ''"
        )
        rows = self._client.query(question, parameters={"id": self._subject.id}).result_rows
        return frozenset(str(row[0]) for row in rows)

    def _parts(self) -> Iterator[_Part]:
        """What to delete, table by table; no row is in two parts."""
        own = f"{OWN_COLUMN[self._subject.kind]} = %(id)s"
        name = {"id": self._subject.id}
        for table in BY_ARTIFACT:
            is_of_events = table in OF_EVENTS
            if is_of_events:
                yield _Part(table, own, name)
            for ids in _lists(sorted(self._artifacts)):
                others = f" AND NOT ({own})" if is_of_events else ""
                yield _Part(table, f"artifactId IN %(ids)s{others}", {**name, "ids": ids})
        for table, of_artifacts in BY_BOTH.items():
            yield from self._parts_by_both(table, of_artifacts)
        if self._subject.kind is Kind.ORGANISATION:
            for table, condition in OF_ORGANISATION.items():
                yield _Part(table, condition, name)

    def _parts_by_both(self, table: str, of_artifacts: str) -> Iterator[_Part]:
        own, name, others = "organizationId = %(id)s", {"id": self._subject.id}, ""
        if self._subject.kind is Kind.ORGANISATION:
            yield _Part(table, own, name)
            others = f" AND NOT ({own})"
        for ids in _lists(sorted(self._artifacts)):
            yield _Part(table, f"{of_artifacts}{others}", {**name, "ids": ids, "list": list(ids)})

    def _counted(self, part: _Part) -> int:
        question = f"SELECT count() FROM {part.table} WHERE {part.condition}"  # noqa: S608  (names of ours)
        return int(self._client.query(question, parameters=part.parameters).result_rows[0][0])

    def _delete(self, parts: Sequence[_Part]) -> None:
        """Mutations of a table run in order and are joined where they can be: only the last one is waited for."""
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            is_last = following is None or following.table != part.table
            # 2 waits for every replica. Unlike DELETE FROM, which hides rows until a merge, ALTER rewrites their parts.
            waiting = {"mutations_sync": 2 if is_last else 0}
            if self._settings.cluster:
                waiting["distributed_ddl_task_timeout"] = int(SECONDS)
            statement = f"ALTER TABLE {self._settings.database}.{part.table} DELETE WHERE {part.condition}"
            for placed in self._placement.statements(statement):
                self._client.command(placed, parameters=part.parameters, settings=waiting)


def _lists(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The ids in pieces that fit into a statement."""
    piece: list[str] = []
    size = 0
    for one in ids:
        size += 2 * len(one.encode()) + 4
        if piece and size > LONGEST_LIST:
            yield tuple(piece)
            piece, size = [], 0
        piece.append(one)
    if piece:
        yield tuple(piece)
