"""`/tables/`: the Faust tables, as JSON for programs and as a page for people."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.realtime import TRAILING_MINUTES, CounterTotals
from app.web.api import parse
from app.web.guard import asked_by_staff, scoped, wants_page
from app.web.keys import STALE_MS, WORKER
from app.web.metrics import check_counted, freshness
from app.web.pages import render
from app.web.parameters import CountersParameters, TablesParameters
from app.web.responses import ApiError, json_response
from tables.counters import CountersTable, Entry, PartitionView

routes = web.RouteTableDef()

MOST_ROWS: Final = 1_000
PAGE_ROWS: Final = 100
Row = tuple[Entry, int | None]
"""An entry, and its source partition where those are told apart."""

SORTS: Final[dict[str, Callable[[Row], tuple[Any, ...]]]] = {
    "window": lambda row: (row[0].window_start_ms,),
    "organization": lambda row: (row[0].organization_id is not None, row[0].organization_id or ""),
    "counter": lambda row: (row[0].counter_type,),
    "value": lambda row: (row[0].value,),
}


@routes.get("/tables/")
async def all_tables(request: web.Request) -> web.Response:
    """Every table with its windows, its changelog, and who owns its partitions."""
    asked = parse(request, TablesParameters)
    tables = [
        {
            "name": table.name,
            "help": table.help,
            "windows": table.windows,
            "changelog": table.changelog,
            "partitions": list(table.partitions),
            "entries": table.entries,
            "owners": [
                {"partition": at.partition, "owner": at.owner, "changelogOffset": at.changelog_offset, "lag": at.lag}
                for at in table.owners
            ],
        }
        for table in request.app[WORKER].tables()
    ]
    if _is_page(request, asked.format):
        return render("tables.html", {"tables": tables, "here": request.path})
    return json_response({"tables": tables})


@routes.get("/tables/counters/")
@scoped
async def counters(request: web.Request) -> web.Response:
    """Entries of the counters table by window, organisation and counter type; only counters that are not 0.

    `detail=partitions` gives them by source partition, and `partition=N` those of one. Each partition's entries are
    exact for the offset that `partitions` names, because nothing is counted while an answer is put together.
    """
    asked = parse(request, CountersParameters, from_form=True)
    worker = request.app[WORKER]
    age = freshness(worker, request.app[STALE_MS])
    check_counted(worker, asked.organization_id, 0)
    table = worker.counters
    views = table.partition_views()
    rows = _rows(table, asked, [view.partition for view in views])
    is_page = _is_page(request, asked.format)
    limit = min(asked.limit or PAGE_ROWS, MOST_ROWS) if is_page else asked.limit or MOST_ROWS
    end = asked.offset + limit
    body: dict[str, Any] = {
        "entries": [_entry(*row) for row in rows[asked.offset : end]],
        "total": len(rows),
        "minutes": minutes_of(table, asked.organization_id, worker.now_ms()),
        **age,
    }
    if end < len(rows):
        body["nextOffset"] = end
    is_staff = asked_by_staff(request)
    if is_staff:
        body["partitions"] = [_partition(view) for view in views]
    if not is_page:
        return json_response(body)
    windows = sorted({entry.window_start_ms for entry in table.entries(holds=partial(_is_seen, asked))}, reverse=True)
    shown = {"limit": limit, "windows": windows, "here": request.path, "is_staff": is_staff}
    return render("counters.html", {**body, **_page_only(asked), **shown})


def minutes_of(table: CounterTotals, organization_id: str | None, now_ms: int) -> dict[str, Any]:
    """Each counter of the last 60 minutes, minute by minute, with the start of the first."""
    last = now_ms // MINUTE_MS
    first = last - TRAILING_MINUTES + 1
    by_minute = [table.totals(organization_id, minute, minute) for minute in range(first, last + 1)]
    series = zip(COUNTER_TYPES, map(list, zip(*by_minute, strict=True)), strict=True)
    return {"start": first * MINUTE_MS, "counters": dict(series)}


def _rows(table: CountersTable, asked: CountersParameters, known: Sequence[int]) -> list[Row]:
    """Entries that are asked for, in their order. Raises ApiError 400 for a partition that is not there."""
    if asked.partition is not None and asked.partition not in known:
        raise ApiError(400, "invalid_parameter", f"there is no partition {asked.partition}; known: 0 to {known[-1]}")
    places: Iterable[int | None] = [None] if asked.partition is None else [asked.partition]
    if asked.detail and asked.partition is None:
        places = known
    rows: list[Row] = [
        (entry, place)
        for place in places
        for entry in table.entries(place, partial(_holds, asked))
        if asked.counter_type in {None, entry.counter_type}
    ]
    is_falling = _falls(asked)
    if asked.sort != "window" or is_falling:
        rows.sort(key=SORTS[asked.sort], reverse=is_falling)
    return rows


def _falls(asked: CountersParameters) -> bool:
    return asked.order == "down" or (asked.order is None and asked.sort == "window")


def _is_seen(asked: CountersParameters, window_start_ms: int, organization_id: str | None) -> bool:
    return asked.organization_id in {None, organization_id}


def _holds(asked: CountersParameters, window_start_ms: int, organization_id: str | None) -> bool:
    is_in_window = asked.window is None or window_start_ms == asked.window - asked.window % HOUR_MS
    return is_in_window and _is_seen(asked, window_start_ms, organization_id)


def _partition(view: PartitionView) -> dict[str, object]:
    return {
        "partition": view.partition,
        "owner": view.owner,
        "offset": view.offset,
        "asOf": view.as_of_ms,
        "keptFrom": view.kept_from_ms,
    }


def _entry(entry: Entry, partition: int | None) -> dict[str, object]:
    place = {} if partition is None else {"partition": partition}
    scope = {} if entry.organization_id is None else {"organizationId": entry.organization_id}
    start = entry.window_start_ms
    return {
        **place,
        "counterType": entry.counter_type,
        **scope,
        "currentValue": entry.value,
        **({"refusedByStore": entry.refused} if entry.refused else {}),
        "windowStart": start,
        "windowEnd": start + HOUR_MS,
    }


def _page_only(asked: CountersParameters) -> dict[str, Any]:
    """What the page's form and links show."""
    falls = _falls(asked)
    filters = msgspec.to_builtins(asked) | {"format": "html", "order": "down" if falls else "up"}
    filters = {name: value for name, value in filters.items() if value is not None}

    def link(**changes: object) -> str:
        return "?" + urlencode({**filters, **changes})

    def sorted_by(name: str) -> str:
        is_again = asked.sort == name and not falls
        return link(sort=name, order="down" if is_again else "up", offset=0)

    return {
        "types": COUNTER_TYPES,
        "filters": filters,
        "asked": asked,
        "falls": falls,
        "link": link,
        "sorted_by": sorted_by,
    }


def _is_page(request: web.Request, form: str | None) -> bool:
    """True for a browser; the parameter `format` decides."""
    return form == "html" or (form is None and wants_page(request))
