"""`/tables/`: the Faust tables, as JSON for programs and as a page for people."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from aiohttp import web

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS
from app.web.guard import scope_of, scoped
from app.web.keys import STALE_MS, WORKER
from app.web.metrics import freshness
from app.web.pages import render
from app.web.responses import ApiError, json_response, only_parameters, optional_text
from tables.counters import Entry, PartitionView

routes = web.RouteTableDef()


@routes.get("/tables/")
async def all_tables(request: web.Request) -> web.Response:
    """Every table with its changelog and the partitions that this worker holds."""
    only_parameters(request, "format")
    tables = [asdict(table) for table in request.app[WORKER].tables()]
    return _answer(request, "tables.html", {"tables": tables})


@routes.get("/tables/counters/")
@scoped
async def counters(request: web.Request) -> web.Response:
    """Entries of the counters table by window, organisation and counter type; only counters that are not 0.

    `detail=partitions` gives them by source partition, and `partition=N` those of one. Each partition's entries are
    exact for the offset that `partitions` names, because nothing is counted while an answer is put together.
    """
    only_parameters(request, "format", "counterType", "organizationId", "partition", "detail")
    wanted = _Wanted.of(request)
    worker = request.app[WORKER]
    age = freshness(worker, request.app[STALE_MS])
    views = worker.counters.partition_views()
    partitions = wanted.partitions([view.partition for view in views])
    entries = [
        _entry(entry, partition)
        for partition in partitions
        for entry in worker.counters.entries(partition)
        if wanted.holds(entry)
    ]
    body = {"partitions": [_partition(view) for view in views], "entries": entries, **age}
    return _answer(request, "counters.html", body, types=COUNTER_TYPES, filters=wanted.filters)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request for counters asks for."""

    counter_type: str | None
    organization_id: str | None
    partition: int | None
    is_by_partition: bool

    @classmethod
    def of(cls, request: web.Request) -> Self:
        """The request's parameters. Raises ApiError 400 if one does not fit."""
        # A form sends its empty fields, too: here they mean all.
        query = {name: value for name, value in request.query.items() if value}
        counter_type, partition, detail = query.get("counterType"), query.get("partition"), query.get("detail")
        if counter_type is not None and counter_type not in COUNTER_TYPES:
            known = ", ".join(COUNTER_TYPES)
            raise ApiError(400, "invalid_parameter", f"unknown counterType {counter_type!r}; known: {known}")
        if partition is not None and not (partition.isascii() and partition.isdecimal() and len(partition) < 10):
            raise ApiError(400, "invalid_parameter", "parameter 'partition' is the number of a partition")
        if detail not in (None, "partitions"):
            raise ApiError(400, "invalid_parameter", "parameter 'detail' is partitions, or left out")
        number = None if partition is None else int(partition)
        return cls(
            counter_type,
            scope_of(request, query.get("organizationId")),
            number,
            detail is not None or number is not None,
        )

    @property
    def filters(self) -> dict[str, object]:
        """What the page's form shows."""
        return {
            "counterType": self.counter_type or "",
            "organizationId": self.organization_id or "",
            "partition": "" if self.partition is None else self.partition,
            "detail": "partitions" if self.is_by_partition else "",
        }

    def partitions(self, known: Sequence[int]) -> Sequence[int | None]:
        """Partitions to be told apart; None stands for all of them together. Raises ApiError 400 for an unknown one."""
        if self.partition is not None and self.partition not in known:
            raise ApiError(400, "invalid_parameter", f"there is no partition {self.partition}; known: 0 to {known[-1]}")
        if not self.is_by_partition:
            return [None]
        return known if self.partition is None else [self.partition]

    def holds(self, entry: Entry) -> bool:
        """True if the entry is asked for."""
        return self.counter_type in (None, entry.counter_type) and self.organization_id in (None, entry.organization_id)


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
    return render(template, {**body, **page_only, "here": request.path})
