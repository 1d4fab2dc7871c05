"""`/tables/`: the Faust tables, as JSON for programs and as a page for people."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS
from app.web.keys import STALE_MS, WORKER
from app.web.metrics import freshness
from app.web.responses import ApiError, json_response, only_parameters, optional_text

routes = web.RouteTableDef()

PAGES = Environment(loader=PackageLoader("app.web"), autoescape=True, undefined=StrictUndefined)


def _utc(ms: int, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(form)


PAGES.filters["utc"] = _utc
PAGES.filters["utc_hour"] = lambda ms: f"{_utc(ms, '%Y-%m-%d %H:%M')} to {_utc(ms + HOUR_MS, '%H:%M')}"
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@routes.get("/tables/")
async def all_tables(request: web.Request) -> web.Response:
    """Every table with its changelog and the partitions that this worker holds."""
    only_parameters(request, "format")
    tables = [asdict(table) for table in request.app[WORKER].tables()]
    return _answer(request, "tables.html", {"tables": tables})


@routes.get("/tables/counters/")
async def counters(request: web.Request) -> web.Response:
    """Entries of the counters table by window, organisation and counter type; only counters that are not 0."""
    only_parameters(request, "format", "counterType", "organizationId")
    # A form sends its empty fields, too: here they mean all.
    counter_type, organization_id = (
        request.query.get("counterType") or None,
        request.query.get("organizationId") or None,
    )
    if counter_type is not None and counter_type not in COUNTER_TYPES:
        known = ", ".join(COUNTER_TYPES)
        raise ApiError(400, "invalid_parameter", f"unknown counterType {counter_type!r}; known: {known}")
    worker = request.app[WORKER]
    age = freshness(worker, request.app[STALE_MS])
    entries = [
        _entry(entry)
        for entry in worker.counters.entries()
        if counter_type in (None, entry.counter_type) and organization_id in (None, entry.organization_id)
    ]
    filters = {"counterType": counter_type or "", "organizationId": organization_id or ""}
    return _answer(request, "counters.html", {"entries": entries, **age}, types=COUNTER_TYPES, filters=filters)


def _entry(entry: Any) -> dict[str, object]:
    scope = {} if entry.organization_id is None else {"organizationId": entry.organization_id}
    start = entry.window_start_ms
    return {
        "counterType": entry.counter_type,
        **scope,
        "currentValue": entry.value,
        "windowStart": start,
        "windowEnd": start + HOUR_MS,
    }


def _answer(request: web.Request, template: str, body: dict[str, Any], **page_only: Any) -> web.Response:
    """A page for a browser, JSON for everybody else; `?format=json|html` decides."""
    wanted = optional_text(request, "format") or (
        "html" if "text/html" in request.headers.get("Accept", "") else "json"
    )
    if wanted == "json":
        return json_response(body)
    if wanted != "html":
        raise ApiError(400, "invalid_parameter", "parameter 'format' is json or html")
    text = PAGES.get_template(template).render(**body, **page_only)
    return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)
