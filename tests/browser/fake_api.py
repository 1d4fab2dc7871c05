"""The page on the answers of a made-up monitor, whose troubles a test can choose."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from app.domain.counters import RESULT_FIELDS
from app.domain.event_types import ACTIVE_STATUSES, ERR, STAGES
from app.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from app.web import page
from tests.browser.world import LATENCY, ORGANISATIONS, World

Json = dict[str, Any]


@dataclass
class Trouble:
    """What is wrong: a reason to answer 503, by how many ms live figures lag, a store that is away, what comes late."""

    recovering: str | None = None
    lag_ms: int = 0
    no_store: bool = False
    late_stream: bool = False
    late_events: bool = False


WORLD = web.AppKey("world", World)
TROUBLE = web.AppKey("trouble", Trouble)
routes = web.RouteTableDef()
RECEIVED = ("artifact_received", "artifact_completed", "artifact_failed", "transcription_completed", "claims_extracted",
            "entity_resolution_completed", "drafts_generated")  # fmt: skip
LIVE = ("/stream", "/realtime", "/session")
FLOW_STAGES = STAGES[:5]
COUNTED = dict(zip(FLOW_STAGES, (RECEIVED[0], *RECEIVED[3:]), strict=True))


def organisation(request: web.Request) -> str | None:
    return request.query.get("organizationId")


def paged(request: web.Request, rows: list[Json], default: int) -> web.Response:
    start, limit = int(request.query.get("cursor") or 0), int(request.query.get("limit", default))
    is_done = start + limit >= len(rows)
    cursor = "" if is_done else str(start + limit)
    return web.json_response({"page": rows[start : start + limit], "isDone": is_done, "continueCursor": cursor})


def live_counters(request: web.Request) -> Json:
    world, org, lag_ms = request.app[WORLD], organisation(request), request.app[TROUBLE].lag_ms

    def counts(since: int) -> Json:
        found = Counter(e["eventType"] for e in world.of(world.events, org) if e["timestamp"] > since)
        values = [*(found[kind] for kind in RECEIVED), sum(found[kind] for kind in ERR)]
        return dict(zip(RESULT_FIELDS, values, strict=True))

    start = world.now_ms - world.now_ms % HOUR_MS
    now = time.time_ns() // 1_000_000
    window = {"windowStart": start, "windowEnd": start + HOUR_MS}
    return {
        **counts(start),
        **window,
        "last60Minutes": counts(world.now_ms - HOUR_MS),
        "asOf": now - lag_ms,
        "stale": lag_ms > 10_000,
    }


@routes.get("/api/v1/session")
async def session(request: web.Request) -> web.Response:
    return web.json_response({"name": "local", "scope": "staff", "canSignOut": False})


@routes.get("/api/v1/metrics/realtime")
async def realtime(request: web.Request) -> web.Response:
    return web.json_response(live_counters(request))


@routes.get("/api/v1/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await answer.prepare(request)
    world, trouble = request.app[WORLD], request.app[TROUBLE]
    with suppress(ConnectionError):
        while trouble.late_stream:  # noqa: ASYNC110  (a test sets it in another thread)
            await asyncio.sleep(0.05)
        known = len(world.events)
        await answer.write(b"event: following\ndata: {}\n\n")
        while not request.app[TROUBLE].recovering:
            data = json.dumps(live_counters(request))
            await answer.write(f"event: counters\ndata: {data}\n\n".encode())
            fresh, known = world.of(world.events[known:], organisation(request)), len(world.events)
            if fresh:
                await answer.write(f"event: events\ndata: {json.dumps(fresh)}\n\n".encode())
            await asyncio.sleep(0.5)
    return answer


@routes.get("/api/v1/overview")
async def overview(request: web.Request) -> web.Response:
    world, org = request.app[WORLD], organisation(request)
    today = world.now_ms - world.now_ms % DAY_MS
    artifacts = world.of(world.artifacts, org)
    completed = len(world.trailing({"artifact_completed"}, org, today))
    failed = len(world.trailing({"artifact_failed"}, org, today))
    stages = []
    for number, stage in enumerate(FLOW_STAGES):
        failures = [e for e in world.trailing(ERR, org, world.now_ms - HOUR_MS) if e.get("pipelineStage") == stage]
        row = {
            "stage": stage,
            "count": len(world.trailing({COUNTED[stage]}, org, world.now_ms - HOUR_MS)),
            "failures": len(failures) if stage == "claims_extraction" else 0,
            "queueDepth": len([a for a in artifacts if a["status"] in ACTIVE_STATUSES and a["stage"] == stage]),
        }
        if number:
            row["avgLatency"] = list(LATENCY.values())[number - 1] * (1.7 if number == 4 else 1)
            row["baselineLatency"] = list(LATENCY.values())[number - 1]
        stages.append(row)
    return web.json_response({
        "activeArtifacts": len([a for a in artifacts if a["status"] in ACTIVE_STATUSES]),
        "completedToday": completed,
        "failedToday": failed,
        "failureRateToday": failed / max(1, failed + completed),
        "avgEndToEndLatency": 36_400,
        "breakerState": "closed",
        "openDisambiguations": sum(a["openDisambiguations"] for a in artifacts),
        "totalCostToday": 12.84,
        "stages": stages,
    })  # fmt: skip


@routes.get("/api/v1/events")
async def events(request: web.Request) -> web.Response:
    query, world = request.query, request.app[WORLD]
    kinds = query.getall("eventType", [])
    rows = [
        event
        for event in reversed(world.of(world.events, organisation(request)))
        if (not kinds or event["eventType"] in kinds)
        and query.get("pipelineStage") in (None, event.get("pipelineStage"))
        and query.get("artifactId") in (None, event.get("artifactId"))
        and int(query.get("startTime", 0)) <= event["timestamp"] <= int(query.get("endTime", 1 << 60))
        and (query.get("errorsOnly") != "true" or event["eventType"] in ERR)
    ]
    while request.app[TROUBLE].late_events:  # noqa: ASYNC110  (a test sets it in another thread)
        await asyncio.sleep(0.05)
    return paged(request, rows, 50)


@routes.get("/api/v1/organizations")
async def organizations(request: web.Request) -> web.Response:
    found = []
    for name, title in ORGANISATIONS.items():
        row = request.app[WORLD].snapshot(DAY_MS, DAY_MS, name)
        kept = ("artifactsReceived", "artifactsCompleted", "artifactsFailed", "totalAICost")
        rates = {"avgLatency": row["avgEndToEndLatency"], "failureRate": row["overallFailureRate"]}
        found.append({"organizationId": name, "orgName": title, **{key: row[key] for key in kept}, **rates})
    return web.json_response({"organizations": found, "truncated": False})


@routes.get("/api/v1/metrics/history")
async def history(request: web.Request) -> web.Response:
    size = HOUR_MS if request.query["periodType"] == "hourly" else DAY_MS
    first = -(-int(request.query["startTime"]) // size) * size
    last = min(int(request.query["endTime"]), request.app[WORLD].now_ms - size)
    rows = [request.app[WORLD].snapshot(at, size, organisation(request)) for at in range(first, last + 1, size)]
    return web.json_response({"snapshots": rows})


@routes.get("/api/v1/minutes")
async def minutes(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    start = int(request.query["startTime"]) // MINUTE_MS * MINUTE_MS
    rows = []
    for at in range(start, int(request.query["endTime"]), MINUTE_MS):
        row = world.snapshot(at, MINUTE_MS, organisation(request))
        rows.append({**row, "periodStart": at})
    return web.json_response({"minutes": rows})


@routes.get("/api/v1/confidence")
async def confidence(request: web.Request) -> web.Response:
    counts = (0, 0, 1, 2, 4, 9, 31, 88, 214, 167)
    bins = [{"from": n / 10, "to": (n + 1) / 10, "count": count} for n, count in enumerate(counts)]
    return web.json_response({"bins": bins})


@routes.get("/api/v1/channels")
async def channels(request: web.Request) -> web.Response:
    found = Counter(
        a["sourceChannel"] for a in request.app[WORLD].of(request.app[WORLD].artifacts, organisation(request))
    )
    return web.json_response({"channels": [{"sourceChannel": name, "count": n} for name, n in found.most_common()]})


@routes.get("/api/v1/artifacts")
async def artifacts(request: web.Request) -> web.Response:
    query = request.query
    rows = [
        row
        for row in request.app[WORLD].of(request.app[WORLD].artifacts, organisation(request))
        if query.get("status") in (None, row["status"]) and query.get("sourceChannel") in (None, row["sourceChannel"])
    ]
    return paged(request, rows, 50)


@routes.get("/api/v1/artifacts/{kind:active|failed|stuck}")
async def some_artifacts(request: web.Request) -> web.Response:
    kind, stage = request.match_info["kind"], request.query.get("stage")
    rows = request.app[WORLD].of(request.app[WORLD].artifacts, organisation(request))
    if kind == "failed":
        return paged(request, sorted((r for r in rows if r["status"] == "failed"), key=lambda r: -r["failedAt"]), 50)
    found = [r for r in rows if r["status"] in ACTIVE_STATUSES and stage in (None, r["stage"])]
    return paged(request, found if kind == "active" else [r for r in found if r["stageElapsedMs"] > 30_000], 50)


@routes.get("/api/v1/artifacts/{id}")
async def artifact(request: web.Request) -> web.Response:
    for row in request.app[WORLD].artifacts:
        if row["artifactId"] == request.match_info["id"]:
            return web.json_response(row)
    return web.json_response({"error": {"code": "not_found", "message": "there is no such artifact"}}, status=404)


@routes.get("/api/v1/artifacts/{id}/{what:timeline|retries}")
async def of_artifact(request: web.Request) -> web.Response:
    found = [e for e in request.app[WORLD].events if e.get("artifactId") == request.match_info["id"]]
    if request.match_info["what"] == "timeline":
        return web.json_response({"events": found, "truncated": False})
    rows = [{**e, **e.get("metadata", {})} for e in found if e["eventType"].startswith("retry_")]
    return web.json_response({"retries": rows, "truncated": False})


@routes.get("/api/v1/stages")
async def stages(request: web.Request) -> web.Response:
    row = request.app[WORLD].snapshot(DAY_MS, DAY_MS, organisation(request))
    rows = [
        {
            "stage": stage,
            "count": row["artifactsReceived"],
            "avgLatency": latency,
            "failureRate": 0.02 + 0.04 * (at == 1),
        }
        for at, (stage, latency) in enumerate(zip(FLOW_STAGES[1:], LATENCY.values(), strict=True))
    ]
    return web.json_response({"stages": rows})


@routes.get("/api/v1/stages/{stage}/errors")
async def stage_errors(request: web.Request) -> web.Response:
    rows = [
        {
            "errorMessage": "429 from model",
            "errorCode": "RATE_LIMITED",
            "count": 12,
            "lastAt": request.app[WORLD].now_ms,
        },
        {"errorMessage": "answer is not the agreed JSON", "errorCode": "CLAIMS_PARSE_ERROR", "count": 3, "lastAt": 1},
    ]
    return web.json_response({"errors": rows})


@routes.get("/api/v1/funnel")
async def funnel(request: web.Request) -> web.Response:
    events = request.app[WORLD].of(request.app[WORLD].events, organisation(request))
    rows = [
        {"stage": stage, "artifacts": len({e.get("artifactId") for e in events if e.get("pipelineStage") == stage})}
        for stage in (*FLOW_STAGES, "confirmation")
    ]
    return web.json_response({"stages": rows})


@web.middleware
async def troubled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """503 in the API's shape while the monitor is said to recover."""
    reason, path = request.app[TROUBLE].recovering, request.path
    if request.app[TROUBLE].no_store and path.startswith("/api/") and not path.endswith(LIVE):
        error = {"code": "store_unavailable", "message": "ClickHouse does not answer: ask again soon"}
        return web.json_response({"error": error}, status=503)
    if reason and request.path.startswith("/api/"):
        return web.json_response({"error": {"code": "recovering", "message": reason}}, status=503)
    return await handler(request)


def application(world: World, trouble: Trouble) -> web.Application:
    """All routes on a world."""
    app = web.Application(middlewares=[troubled])
    app[WORLD], app[TROUBLE] = world, trouble
    app.add_routes([*page.routes, *routes])
    return app
