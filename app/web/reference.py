"""`/openapi.json` and `/docs/`: the API's description for programs, and for people."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import orjson
from aiohttp import web

from app.queries.catalogue import CATALOGUE
from app.web.api import cacheable, coding_of, made
from app.web.guard import asked_by_staff, scoped
from app.web.openapi import Operation, document, operation_of
from app.web.pages import render
from app.web.parameters import CountersParameters, NoParameters, ScopeParameters, TablesParameters
from app.web.responses import only_parameters
from app.web.shapes import Entries, Health, RealTimeMetrics, Session, Tables

routes = web.RouteTableDef()

OF_THE_WORKER: Final = (
    Operation(
        name="realtime",
        path="/api/v1/metrics/realtime",
        summary="Live counters",
        description="The eight counters of the current UTC hour and of the last 60 minutes, with the time up to which "
        "every partition has been counted; `stale` if that is more than 10 seconds ago.",
        parameters=ScopeParameters,
        answer=RealTimeMetrics,
    ),
    Operation(
        name="stream",
        path="/api/v1/stream",
        summary="Live figures and events",
        description="Server-sent events: `counters` every second (as the live counters), `events` (a list, as events "
        "are listed), `recovering` instead of counters that are not complete, `following` from when on no event is "
        "left out unless a `gap` says so, `heartbeat` every 15 seconds. Send `Last-Event-ID` to get what was missed; "
        "an event may come twice.",
        parameters=ScopeParameters,
        media="text/event-stream",
    ),
    Operation(
        name="session",
        path="/api/v1/session",
        summary="Who asks",
        description="Name and scope of the token or sign-in.",
        parameters=NoParameters,
        answer=Session,
        failures=(),
    ),
    Operation(
        name="tables",
        path="/tables/",
        summary="State tables",
        description="Every state table, its changelog and what this worker holds of it. For staff.",
        parameters=TablesParameters,
        answer=Tables,
        failures=(),
    ),
    Operation(
        name="counters",
        path="/tables/counters/",
        summary="Entries of the counters table",
        description="Counters by window, organisation and type that are not 0, and how far each partition is counted.",
        parameters=CountersParameters,
        answer=Entries,
    ),
    Operation(
        name="live",
        path="/health/live",
        summary="Does the process serve?",
        description="200 while it does.",
        answer=Health,
        failures=(),
    ),
    Operation(
        name="ready",
        path="/health/ready",
        summary="Is every figure complete and every row being stored?",
        description="200 if so, else 503 with the reasons.",
        answer=Health,
        unready=Health,
    ),
    Operation(
        name="metrics",
        path="/metrics",
        summary="Prometheus metrics",
        description="All metrics in Prometheus' text format. For staff.",
        media="text/plain",
        failures=(),
    ),
)


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document of this version."""
    try:
        ours = version("voice-pipeline-monitor")
    except PackageNotFoundError:
        ours = "0"
    return document([*OF_THE_WORKER, *map(operation_of, CATALOGUE)], ours)


@routes.get("/openapi.json")
@scoped
async def openapi(request: web.Request) -> web.Response:
    """The API for programs."""
    only_parameters(request)
    return cacheable(request, made(orjson.dumps(description()), coding=coding_of(request)))


@routes.get("/docs/")
@scoped
async def reference(request: web.Request) -> web.Response:
    """The API for people, without a foreign script."""
    only_parameters(request)
    found = description()
    operations = [{"path": path, **methods["get"]} for path, methods in sorted(found["paths"].items())]
    schemas = [{"name": name, **schema} for name, schema in sorted(found["components"]["schemas"].items())]
    shown = {"info": found["info"], "operations": operations, "schemas": schemas, "kind": kind_of}
    return render("reference.html", {**shown, "here": "/docs/", "is_staff": asked_by_staff(request)})


def kind_of(schema: dict[str, Any]) -> str:
    """A schema in words, such as `list of Event`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(kind_of(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    bounds = [f"{word} {schema[name]}" for name, word in (("minimum", "from"), ("maximum", "to")) if name in schema]
    return " ".join([str(schema.get("type", "anything")), *bounds])
