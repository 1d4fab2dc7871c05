"""Lists of artifacts, and one artifact: where each note is in the pipeline."""

from typing import Any, Final

from clickhouse_connect.driver.client import Client

from app.domain.event_types import ACTIVE_STATUSES
from app.queries.artifact_answers import ArtifactRow, Artifacts, artifact_row
from app.queries.cursor import Place, read_cursor, write_cursor
from app.queries.errors import NotFound
from app.queries.fields import (
    LATEST_MS,
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
AFTER_ALL: Final = Place(2**62, "~")
ACTIVE_ONLY: Final = sorted(ACTIVE_STATUSES)
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
        "statuses": [parameters.status] if parameters.status else [],
        "channel": parameters.source_channel or "",
        "search": parameters.search or "",
        "from_ms": parameters.start_time or 0,
        "to_ms": LATEST_MS if parameters.end_time is None else parameters.end_time,
    }
    return _page(client, "artifacts", parameters, filters, now_ms)


def active(client: Client, parameters: ActiveParameters, now_ms: int) -> Artifacts:
    """One page of the artifacts in an active status, newest first; none for a status that is not active."""
    if parameters.status and parameters.status not in ACTIVE_STATUSES:
        return Artifacts(page=[], is_done=True, continue_cursor="")
    filters = {
        "statuses": [parameters.status] if parameters.status else ACTIVE_ONLY,
        "stage": parameters.stage or "",
    }
    return _page(client, "active", parameters, filters, now_ms)


def failed(client: Client, parameters: FailedParameters, now_ms: int) -> Artifacts:
    """One page of the failed artifacts, newest failure first."""
    filters = {"statuses": ["failed"], "failed_since_ms": parameters.since_timestamp or 0}
    return _page(client, "failed", parameters, filters, now_ms)


def stuck(client: Client, parameters: StuckParameters, now_ms: int) -> Artifacts:
    """One page of the artifacts whose next step is due for more than 5 minutes, longest in their stage first."""
    filters = {"waiting_before_ms": now_ms - STUCK_MS, "stage": parameters.stage or ""}
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


def _page(client: Client, name: str, parameters: Any, filters: dict[str, Any], now_ms: int) -> Artifacts:
    """One page of the list. What a row's place in it is says the statement."""
    limit = parameters.limit
    found = _rows(client, name, parameters, filters, now_ms)
    page, is_done = found[:limit], len(found) <= limit
    cursor = "" if is_done else write_cursor(parameters, Place(page[-1]["place"], page[-1]["artifactId"]))
    return Artifacts(page=[artifact_row(row, now_ms) for row in page], is_done=is_done, continue_cursor=cursor)


def _rows(client: Client, name: str, parameters: Any, filters: dict[str, Any], now_ms: int) -> list[dict[str, Any]]:
    """The first rows behind the cursor, one more than the page takes; an artifact is where its latest row is."""
    wanted = parameters.limit + 1
    most = max(FEWEST_CANDIDATES, 2 * wanted)
    place = read_cursor(parameters) or AFTER_ALL
    found: dict[str, dict[str, Any]] = {}
    while len(found) < wanted:
        asked = (
            NO_FILTERS
            | filters
            | {
                "list": name,
                "now_ms": now_ms,
                "organization_id": parameters.organization_id or "",
                "before": place.time_ms,
                "before_id": place.id,
                "limit": most,
            }
        )
        rows = list(client.query(statement("artifacts"), parameters=asked).named_results())
        found |= {row["artifactId"]: row for row in rows if row["is_latest"]}
        if len(rows) < most:
            break
        place = Place(rows[-1]["place"], rows[-1]["artifactId"])
    return list(found.values())[:wanted]


NO_FILTERS: Final[dict[str, Any]] = {
    "statuses": [],
    "stage": "",
    "channel": "",
    "search": "",
    "from_ms": 0,
    "to_ms": LATEST_MS,
    "failed_since_ms": 0,
    "waiting_before_ms": 0,
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
