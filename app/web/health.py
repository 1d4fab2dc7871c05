"""`/health/live`, `/health/ready` and `/metrics`."""

from aiohttp import web

from app.web.guard import grant_of, scoped
from app.web.keys import WORKER
from app.web.responses import json_response

routes = web.RouteTableDef()


@routes.get("/health/live")
@scoped
async def live(request: web.Request) -> web.Response:
    """200 while the process serves requests."""
    return json_response({"status": "live"})


@routes.get("/health/ready")
@scoped
async def ready(request: web.Request) -> web.Response:
    """200 if every figure is complete and every row is being stored, else 503 with the reasons.

    Without a token or with an organisation's it says no reasons: they name addresses and partitions.
    """
    reasons = request.app[WORKER].not_ready()
    if reasons:
        grant = grant_of(request)
        if grant is None or grant.organization_id is not None:
            reasons = ["the monitor is not ready"]
        return json_response({"status": "not ready", "reasons": reasons}, 503, {"Retry-After": "1"})
    return json_response({"status": "ready"})


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """All metrics in Prometheus' text format."""
    content_type = "text/plain; version=0.0.4; charset=utf-8"
    return web.Response(body=request.app[WORKER].exposition(), headers={"Content-Type": content_type})
