"""Lists of artifacts, and one artifact: where each note is in the pipeline."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from app.domain.event_types import ACTIVE_STATUSES
from app.queries.artifact_answers import ArtifactRow, Artifacts, artifact_row, shown_artifact
from app.queries.cursor import Place, read_cursor, write_cursor
from app.queries.errors import NotFound
from app.queries.fields import (
    ArtifactLimitField,
    ChannelField,
    CursorField,
    Parameters,
    RangeParameters,
    SearchField,
    SinceField,
    StageField,
    StatusField,
)
from app.queries.query import Query
from app.queries.statements import statement
from app.queries.timeline import ArtifactParameters

STUCK_MS: Final = 300_000
ACTIVE_ONLY: Final = sorted(ACTIVE_STATUSES)
LONGEST_IDS: Final = 3_000
# Superseded rows take places of a page until they are merged away.
FEWEST_CANDIDATES: Final = 100


class PagedParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of every list of artifacts."""

    limit: ArtifactLimitField = 50
    cursor: CursorField | None = None


class ArtifactsParameters(RangeParameters, frozen=True, kw_only=True):
    """Filters of the list of artifacts; all of them must hold. The times are those of `createdAt`."""

    status: StatusField | None = None
    source_channel: ChannelField | None = None
    search: SearchField | None = None
    limit: ArtifactLimitField = 50
    cursor: CursorField | None = None


class ActiveParameters(PagedParameters, frozen=True, kw_only=True):
    """Filters of the artifacts under way."""

    status: StatusField | None = None
    stage: StageField | None = None


class FailedParameters(PagedParameters, frozen=True, kw_only=True):
    """Filters of the failed artifacts."""

    since_timestamp: SinceField | None = None


class StuckParameters(PagedParameters, frozen=True, kw_only=True):
    """Filters of the artifacts that do not go on."""

    stage: StageField | None = None


def artifacts(client: Client, parameters: ArtifactsParameters, now_ms: int) -> Artifacts:
    """One page of artifacts, newest first. Raises InvalidParameter for a cursor of other filters."""
    filters = {
        "statuses": [parameters.status] if parameters.status else None,
        "channel": parameters.source_channel,
        "search": parameters.search,
        "from_ms": parameters.start_time,
        "to_ms": parameters.end_time,
    }
    return _page(client, "artifacts", parameters, filters, now_ms)


def active(client: Client, parameters: ActiveParameters, now_ms: int) -> Artifacts:
    """One page of the artifacts in an active status, newest first; none for a status that is not active."""
    if parameters.status and parameters.status not in ACTIVE_STATUSES:
        return Artifacts(page=[], is_done=True, continue_cursor="")
    filters = {
        "statuses": [parameters.status] if parameters.status else ACTIVE_ONLY,
        "stage": parameters.stage,
    }
    return _page(client, "active", parameters, filters, now_ms)


def failed(client: Client, parameters: FailedParameters, now_ms: int) -> Artifacts:
    """One page of the failed artifacts, newest failure first."""
    filters = {"statuses": ["failed"], "from_ms": parameters.since_timestamp}
    return _page(client, "failed", parameters, filters, now_ms)


def stuck(client: Client, parameters: StuckParameters, now_ms: int) -> Artifacts:
    """One page of the artifacts whose next step is due for more than 5 minutes, longest in their stage first."""
    filters = {"waiting_before_ms": now_ms - STUCK_MS, "stage": parameters.stage}
    return _page(client, "stuck", parameters, filters, now_ms)


def artifact(client: Client, parameters: ArtifactParameters, now_ms: int) -> ArtifactRow:
    """The artifact. Raises NotFound if there is none, or if it is another organisation's."""
    asked = {
        "now_ms": now_ms,
        "artifact_id": parameters.artifact_id,
        "organization_id": parameters.organization_id or "",
    }
    rows = list(client.query(statement("artifact"), parameters=asked).named_results())
    if not rows:
        raise NotFound("there is no artifact with this id, or it is older than what is kept: look into the list")
    return artifact_row(rows[0], now_ms)


def _page(client: Client, kind: str, parameters: Any, filters: dict[str, Any], now_ms: int) -> Artifacts:
    """One page of the list; a filter that is None lets everything pass."""
    limit = parameters.limit
    filters = filters | {"organization_id": parameters.organization_id}
    filters = {name: value for name, value in filters.items() if value is not None}
    found = _rows(client, LISTS.get(kind, BY_CREATION), parameters, filters, now_ms)
    page, is_done = found[:limit], len(found) <= limit
    cursor = "" if is_done else write_cursor(parameters, page[-1].place)
    return Artifacts(
        page=[shown_artifact(each.shown, now_ms) for each in page], is_done=is_done, continue_cursor=cursor
    )


class _List(NamedTuple):
    """Table that a list is searched in, and what decides its order, the greatest first."""

    table: str
    place: str


class _Listed(NamedTuple):
    place: int
    id: str
    version: int


class _Found(NamedTuple):
    """An artifact of a page: where it is in the list, and what is shown of it."""

    place: Place
    shown: str


def _rows(client: Client, list_: _List, parameters: Any, filters: dict[str, Any], now_ms: int) -> list[_Found]:
    """The first rows behind the cursor, one more than the page takes; an artifact is where its latest row is."""
    wanted = parameters.limit + 1
    most = max(FEWEST_CANDIDATES, 2 * wanted)
    values = filters | {"now_ms": now_ms}
    after = read_cursor(parameters)
    found: dict[str, _Found] = {}
    while len(found) < wanted:
        listed, are_all = _listed(client, list_, values, after, most)
        for group in _groups(list(dict.fromkeys(listed)), wanted):
            found |= _latest(client, group)
            if len(found) >= wanted:
                break
        if are_all:
            break
        after = Place(listed[-1].place, listed[-1].id)
    return list(found.values())[:wanted]


def _listed(
    client: Client, list_: _List, values: dict[str, Any], after: Place | None, most: int
) -> tuple[list[_Listed], bool]:
    """Rows of the list behind a place, of each artifact all that it has there, and whether there are no more."""
    conditions = [FILTERS[name] for name in values if name in FILTERS]
    if not ACTIVE_STATUSES.issuperset(values.get("statuses", [""])):
        conditions.append(SHOWN)
    if after is not None:
        conditions.append(BEHIND.format(place=list_.place))
        values = values | {"before_ms": after.time_ms, "before_id": after.id}
    asked = statement("artifacts", table=list_.table, place=list_.place, filters=" AND ".join(conditions))
    while True:
        result = client.query(asked, parameters=values | {"limit": most}).result_rows
        listed = [_Listed(*row) for row in result]
        if len(listed) < most:
            return listed, True
        last = listed[-1]
        whole = [each for each in listed if (each.place, each.id) != (last.place, last.id)]
        if whole:
            return whole, False
        most *= 2


def _latest(client: Client, listed: Sequence[_Listed]) -> dict[str, _Found]:
    """The artifacts that have no later row than the listed one, in the same order."""
    ids = list({each.id for each in listed})
    rows = client.query(statement("artifact_rows"), parameters={"ids": ids}).result_rows
    shown = {(id_, version): text for id_, version, text in rows}
    return {
        each.id: _Found(Place(each.place, each.id), shown[each.id, each.version])
        for each in listed
        if (each.id, each.version) in shown
    }


def _groups(listed: Sequence[_Listed], most: int) -> Iterator[Sequence[_Listed]]:
    """The artifacts in groups whose ids go into one request: they travel in its URL."""
    group: list[_Listed] = []
    length = 0
    for each in listed:
        if group and (len(group) == most or length + len(each.id) > LONGEST_IDS):
            yield group
            group, length = [], 0
        group.append(each)
        length += len(each.id)
    if group:
        yield group


SHOWN: Final = """(status IN ('received', 'transcribing', 'transcribed', 'processing')
       OR updatedAt >= {now_ms:Int64} - (SELECT artifacts FROM visible_hours) * 3600000)"""
BEHIND: Final = (
    "{place} <= {{before_ms:Int64}} AND ({place} < {{before_ms:Int64}} OR artifactId < {{before_id:String}})"
)
FILTERS: Final = {
    "statuses": "status IN {statuses:Array(String)}",
    "stage": "stage = {stage:String}",
    "organization_id": "organizationId = {organization_id:String}",
    "channel": "sourceChannel = {channel:String}",
    "search": "position(artifactId, {search:String}) > 0",
    "from_ms": "place >= {from_ms:Int64}",
    "to_ms": "place <= {to_ms:Int64}",
    "waiting_before_ms": "waitingSince > 0 AND waitingSince < {waiting_before_ms:Int64} AND status != 'failed'",
}
"""Conditions of the lists; a statement has only those that are asked for."""
BY_CREATION: Final = _List("artifacts_by_creation", "place")
LISTS: Final = {
    "failed": _List("artifacts_by_failure", "place"),
    "stuck": _List("artifacts_by_creation", "-stageEnteredAt"),
}
_COLUMNS: Final = ("artifactId", "status", "stage", "organizationId", "createdAt")
ARTIFACTS: Final = Query(
    name="artifacts",
    path="/api/v1/artifacts",
    summary="Artifacts, newest first",
    description="Pages of the artifacts that all filters let pass; finished ones past their retention are not shown.",
    parameters=ArtifactsParameters,
    answer=Artifacts,
    run=artifacts,
    rows="page",
    columns=_COLUMNS,
)
ACTIVE: Final = Query(
    name="active",
    path="/api/v1/artifacts/active",
    summary="Artifacts under way, newest first",
    description="Artifacts that are neither completed nor failed, with the time they have taken so far.",
    parameters=ActiveParameters,
    answer=Artifacts,
    run=active,
    rows="page",
    columns=("artifactId", "status", "stage", "organizationId", "createdAt", "elapsedMs", "stageElapsedMs"),
)
FAILED: Final = Query(
    name="failed",
    path="/api/v1/artifacts/failed",
    summary="Failed artifacts, newest failure first",
    description="Artifacts whose status is failed, with the stage they failed in and their last error.",
    parameters=FailedParameters,
    answer=Artifacts,
    run=failed,
    rows="page",
    columns=("artifactId", "failedAt", "failedStage", "organizationId", "lastErrorMessage", "retryCount"),
)
STUCK: Final = Query(
    name="stuck",
    path="/api/v1/artifacts/stuck",
    summary="Artifacts that do not go on",
    description="Artifacts whose next step is due for more than 5 minutes, longest in their stage first.",
    parameters=StuckParameters,
    answer=Artifacts,
    run=stuck,
    rows="page",
    columns=("artifactId", "status", "stage", "organizationId", "waitingFor", "waitingSince"),
)
ARTIFACT: Final = Query(
    name="artifact",
    path="/api/v1/artifacts/{artifactId}",
    summary="State of one artifact",
    description="Where the artifact is in the pipeline and what became of it.",
    parameters=ArtifactParameters,
    answer=ArtifactRow,
    run=artifact,
    rows="",
    columns=_COLUMNS,
)
