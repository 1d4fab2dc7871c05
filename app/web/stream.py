"""`/api/v1/stream`: live figures and new events as server-sent events."""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web

from app.web.api import parse
from app.web.feed import Feed, Reader
from app.web.guard import grant_still_holds, scoped
from app.web.parameters import ScopeParameters

routes = web.RouteTableDef()

FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
WRITE_SECONDS: Final = 10.0
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    # Proxies that know this one hand each event on at once.
    "X-Accel-Buffering": "no",
}


@routes.get("/api/v1/stream", allow_head=False)
@scoped
async def stream(request: web.Request) -> web.StreamResponse:
    """Counters every second and events as they are stored, until the client goes or falls behind."""
    asked = parse(request, ScopeParameters)
    feed = request.app[FEED]
    reader = feed.join(asked.organization_id, request.headers.get("Last-Event-ID", ""))
    answer = web.StreamResponse(headers=HEADERS)
    try:
        with suppress(ConnectionError, TimeoutError):
            await answer.prepare(request)
            await _write(answer, b"retry: 2000\n\n")
            await _hand_on(request, answer, reader)
    finally:
        feed.leave(reader)
    return answer


async def _hand_on(request: web.Request, answer: web.StreamResponse, reader: Reader) -> None:
    while (found := await reader.messages.get()) is not None:
        if not grant_still_holds(request):
            return
        await _write(answer, found)


async def _write(answer: web.StreamResponse, text: bytes) -> None:
    """Raises TimeoutError for a client that takes nothing more."""
    async with asyncio.timeout(WRITE_SECONDS):
        await answer.write(text)
