"""`/api/v1/metrics/…`: live figures."""

from aiohttp import web

from app.domain.windows import HOUR_MS
from app.queries.realtime import real_time_metrics
from app.web.contract import WorkerView
from app.web.guard import scope_of, scoped
from app.web.keys import STALE_MS, WORKER
from app.web.responses import ApiError, json_response, only_parameters, optional_text

routes = web.RouteTableDef()


@routes.get("/api/v1/metrics/realtime")
@scoped
async def realtime(request: web.Request) -> web.Response:
    """The eight counters of the current hour and of the last 60 minutes, platform-wide or of one organisation."""
    only_parameters(request, "organizationId")
    organization_id = scope_of(request, optional_text(request, "organizationId"))
    return json_response(live_figures(request.app[WORKER], organization_id, request.app[STALE_MS]))


def live_figures(worker: WorkerView, organization_id: str | None, stale_ms: int) -> dict[str, object]:
    """The live counters with their age. Raises ApiError 503 while they are not complete."""
    age = freshness(worker, stale_ms)
    check_counted(worker, organization_id, worker.now_ms() - HOUR_MS)
    return {**real_time_metrics(worker.counters, organization_id, worker.now_ms()), **age}


def check_counted(worker: WorkerView, organization_id: str | None, from_ms: int) -> None:
    """Raise ApiError 503 if live figures of the organisation may lack events from then on."""
    if worker.counters.leaves_out(organization_id, from_ms):
        text = "too many organisations had events in an hour: those of this one were counted for the platform only"
        raise ApiError(503, "not_counted", text)


def freshness(worker: WorkerView, stale_ms: int) -> dict[str, object]:
    """`asOf` and `stale` of live figures. Raises ApiError 503 while they are not complete."""
    reason = worker.incomplete()
    if reason is not None:
        raise ApiError(503, "recovering", reason)
    as_of_ms = worker.as_of_ms()
    return {"asOf": as_of_ms, "stale": worker.now_ms() - as_of_ms > stale_ms}
