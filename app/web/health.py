"""`/health/live`, `/health/ready` and `/metrics`."""

from aiohttp import web

from app.web.keys import WORKER
from app.web.responses import json_response

routes = web.RouteTableDef()


@routes.get("/health/live")
async def live(request: web.Request) -> web.Response:
    """200 while the process serves requests."""
    return json_response({"status": "live"})


@routes.get("/health/ready")
async def ready(request: web.Request) -> web.Response:
    """200 if every figure is complete and every row is being stored, else 503 with the reasons."""
    reasons = request.app[WORKER].not_ready()
    if reasons:
        return json_response({"status": "not ready", "reasons": reasons}, 503, {"Retry-After": "1"})
    return json_response({"status": "ready"})


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """All metrics in Prometheus' text format."""
    content_type = "text/plain; version=0.0.4; charset=utf-8"
    return web.Response(body=request.app[WORKER].exposition(), headers={"Content-Type": content_type})
