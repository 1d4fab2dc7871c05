"""`POST /api/v1/resume`: go on after too many refused records."""

from aiohttp import web

from app.web.keys import WORKER
from app.web.responses import json_response, only_parameters

routes = web.RouteTableDef()


@routes.post("/api/v1/resume")
async def resume(request: web.Request) -> web.Response:
    """Whether partitions had paused because too many records were refused; they go on now."""
    only_parameters(request)
    return json_response({"resumed": request.app[WORKER].resume()})
