"""getRecentEvents and getRecentErrorEvents: lists of events, newest first."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import ERR
from app.domain.windows import HOUR_MS
from app.queries.cursor import Place, read_cursor, write_cursor
from app.queries.fields import (
    LATEST_MS,
    Answer,
    ArtifactField,
    CursorField,
    ErrorsOnlyField,
    EventLimitField,
    EventTypeField,
    Parameters,
    RangeParameters,
    StageField,
)
from app.queries.query import Query
from app.queries.statements import statement
from app.queries.stored_event import StoredEvent, stored_event

TIMES_WIDER: Final = 8
WIDEST_MS: Final = 8 * HOUR_MS
# Where every event is wanted, a page is a matter of minutes.
BRIEF_MS: Final = HOUR_MS // TIMES_WIDER
# A page takes so many times as many rows as it has events, for the copies among them.
COPIES: Final = 3
EVERY_EVENT: Final = "1"
BEHIND: Final = "(timestamp, toString(eventId)) < ({before_ms:Int64}, {before_id:String})"
LASTING: Final = {
    "types": "eventType IN {types:Array(String)}",
    "stage": "pipelineStage = {stage:String}",
    "organization_id": "organizationId = {organization_id:String}",
}
"""Filters that say the same at any time: asked first and by themselves, so that the engine can remember which pieces of
a table hold nothing of that kind."""
FILTERS: Final = {
    "artifact_id": """artifactId = {artifact_id:String}
          AND toStartOfHour(ts) IN (SELECT arrayJoin(hours) FROM artifact_marks WHERE artifactId = {artifact_id:String})
          AND organizationId IN (
            SELECT arrayJoin(organizations) FROM artifact_marks WHERE artifactId = {artifact_id:String})""",
}
"""The other filters; a statement has only those that are asked for."""


class EventsParameters(RangeParameters, frozen=True, kw_only=True):
    """Filters of the list of events; all of them must hold."""

    event_type: tuple[EventTypeField, ...] = ()
    pipeline_stage: StageField | None = None
    artifact_id: ArtifactField | None = None
    errors_only: ErrorsOnlyField = False
    limit: EventLimitField = 50
    cursor: CursorField | None = None


class ErrorsParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of the list of errors."""

    limit: EventLimitField = 50


class Events(Answer, frozen=True, kw_only=True):
    """One page of events, newest first; `continue_cursor` is empty when it is the last."""

    page: list[StoredEvent]
    is_done: bool
    continue_cursor: str


class Errors(Answer, frozen=True, kw_only=True):
    """The newest errors, newest first."""

    organization_id: str | UnsetType = UNSET
    events: list[StoredEvent]


def recent_events(client: Client, parameters: EventsParameters, now_ms: int) -> Events:
    """One page of the events that all filters let pass. Raises InvalidParameter for a cursor of other filters."""
    after = read_cursor(parameters)
    found = _newest(client, parameters, after, parameters.limit + 1, now_ms)
    page, is_done = found[: parameters.limit], len(found) <= parameters.limit
    cursor = "" if is_done else write_cursor(parameters, Place(page[-1].timestamp, page[-1].event_id))
    return Events(page=page, is_done=is_done, continue_cursor=cursor)


def recent_errors(client: Client, parameters: ErrorsParameters, now_ms: int) -> Errors:
    """The newest failures and openings of the circuit breaker, over all types together."""
    wanted = EventsParameters(organization_id=parameters.organization_id, errors_only=True)
    found = _newest(client, wanted, None, parameters.limit, now_ms)
    return Errors(organization_id=parameters.organization_id or UNSET, events=found)


def _newest(
    client: Client, parameters: EventsParameters, after: Place | None, limit: int, now_ms: int
) -> list[StoredEvent]:
    """The first `limit` events behind `after`, looked for in stretches of time that grow from the newest one on."""
    values = _values(parameters)
    if values.get("types") == []:
        return []
    # A publisher's clock may be ahead, so now is no upper bound.
    newest_ms = LATEST_MS if parameters.end_time is None else parameters.end_time
    first_ms, last_ms = parameters.start_time or 0, min(newest_ms, after.time_ms if after else newest_ms)
    # An artifact's hours are known.
    is_sure = parameters.artifact_id is not None
    stretches = deque(
        [(first_ms, last_ms)] if is_sure else _stretches(first_ms, last_ms, now_ms, HOUR_MS if values else BRIEF_MS)
    )
    found: dict[str, StoredEvent] = {}
    while stretches and len(found) < limit:
        from_ms, to_ms = stretches.popleft()
        most = COPIES * (limit - len(found))
        asked = {"now_ms": now_ms, "from_ms": from_ms, "to_ms": to_ms, "limit": most}
        rows = _rows(client, values, asked, after)
        for row in rows:
            # Of copies the one first in the log comes first.
            if row["id"] not in found and len(found) < limit:
                found[row["id"]] = stored_event(row)
        if len(rows) == most:
            after = Place(rows[-1]["timestamp"], rows[-1]["id"])
            stretches.appendleft((from_ms, after.time_ms))
        elif len(found) * TIMES_WIDER < limit and stretches:
            # The next stretch would hardly hold the rest.
            stretches = deque([(first_ms, from_ms - 1)])
    return list(found.values())


def _rows(client: Client, values: dict[str, Any], asked: dict[str, Any], after: Place | None) -> list[dict[str, Any]]:
    """Rows of a stretch, newest first; copies of an event are rows, too."""
    lasting = [LASTING[name] for name in values if name in LASTING]
    filters = [FILTERS[name] for name in values if name in FILTERS]
    if after is not None:
        filters.append(BEHIND)
        asked |= {"before_ms": after.time_ms, "before_id": after.id}
    prewhere = f"PREWHERE {' AND '.join(lasting)}" if lasting else ""
    asking = statement("events", prewhere=prewhere, filters=" AND ".join(filters or [EVERY_EVENT]))
    return list(client.query(asking, parameters=values | asked).named_results())


def _values(parameters: EventsParameters) -> dict[str, Any]:
    """Values of the filters that are asked for."""
    values = {
        "types": _types(parameters),
        "stage": parameters.pipeline_stage,
        "organization_id": parameters.organization_id,
        "artifact_id": parameters.artifact_id,
    }
    return {name: value for name, value in values.items() if value is not None}


def _types(parameters: EventsParameters) -> list[str] | None:
    """Types that may be in the list, None for all."""
    if not parameters.errors_only:
        return list(parameters.event_type) or None
    return [name for name in parameters.event_type if name in ERR] if parameters.event_type else sorted(ERR)


def _stretches(first_ms: int, last_ms: int, now_ms: int, length_ms: int) -> Iterator[tuple[int, int]]:
    """Stretches of [first_ms, last_ms], newest first, both ends included; the last takes all that is left."""
    to_ms = last_ms
    while to_ms >= first_ms:
        from_ms = min(to_ms, now_ms) - length_ms + 1
        if length_ms > WIDEST_MS or from_ms < first_ms:
            from_ms = first_ms
        yield from_ms, to_ms
        length_ms, to_ms = length_ms * TIMES_WIDER, from_ms - 1


EVENTS: Final = Query(
    name="events",
    path="/api/v1/events",
    summary="Events, newest first",
    description="Pages of the events that all filters let pass; events past their retention are not shown.",
    parameters=EventsParameters,
    answer=Events,
    run=recent_events,
    rows="page",
    columns=("timestamp", "eventType", "artifactId", "organizationId", "durationMs", "errorMessage"),
)
ERRORS: Final = Query(
    name="errors",
    path="/api/v1/events/errors",
    summary="The newest errors",
    description="Failures and openings of the circuit breaker, newest first, of all types together.",
    parameters=ErrorsParameters,
    answer=Errors,
    run=recent_errors,
    rows="events",
    columns=("timestamp", "eventType", "artifactId", "organizationId", "errorMessage"),
)
