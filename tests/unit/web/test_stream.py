"""The live stream without a store: figures, bounds, and what it says when something is wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.web.feed import WAITING, Reader
from app.web.stream import FEED
from tests.web_monitor import NOW_MS, ONE, OTHER, OWN, STAFF, TOKENS, MadeUpWorker, Site, served
from tests.workers import eventually

STREAM = "/api/v1/stream"


@asynccontextmanager
async def reading(
    site: Site, path: str = STREAM, token: str = "", **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    async with site.session.get(f"http://localhost{path}", headers=sent) as answer:
        yield answer


async def next_of(answer: aiohttp.ClientResponse, kind: str) -> Any:
    """Data of the next message of a kind."""
    async with asyncio.timeout(5):
        event = ""
        while True:
            name, _, value = (await answer.content.readline()).decode().rstrip("\n").partition(": ")
            event = value if name == "event" else event
            if name == "data" and event == kind:
                return json.loads(value)


async def test_figures_come_at_once_and_again() -> None:
    worker = MadeUpWorker()
    worker.counters.count(ONE, 0, 3)
    async with served(worker) as site, reading(site) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in answer.headers
        assert "no-transform" in answer.headers["Cache-Control"]
        assert (await next_of(answer, "counters"))["artifactsReceived1h"] == 3
        worker.counters.count(OTHER, 0, 4)
        while (await next_of(answer, "counters"))["artifactsReceived1h"] != 7:
            pass


async def test_an_organisation_streams_its_own_figures_only() -> None:
    worker = MadeUpWorker()
    worker.counters.count(ONE, 0, 3)
    worker.counters.count(OTHER, 0, 4)
    async with served(worker, web={"tokens": TOKENS}) as site:
        async with reading(site, token=OWN) as answer:
            found = await next_of(answer, "counters")
            assert (found["organizationId"], found["artifactsReceived1h"]) == (ONE, 3)
        async with reading(site, f"{STREAM}?organizationId={OTHER}", OWN) as answer:
            assert answer.status == 403
        async with reading(site, f"{STREAM}?organizationId={OTHER}", STAFF) as answer:
            assert (await next_of(answer, "counters"))["artifactsReceived1h"] == 4


async def test_figures_that_are_not_complete_are_refused_and_later_told() -> None:
    worker = MadeUpWorker(recovering="the changelog is being read")
    async with served(worker) as site:
        assert (await site.ask(STREAM))[0] == 503
        worker.recovering = None
        async with reading(site) as answer:
            await next_of(answer, "counters")
            worker.recovering = "partition 1 is being read"
            assert (await next_of(answer, "recovering"))["message"] == "partition 1 is being read"


async def test_one_reader_too_many_is_told_and_a_place_that_is_free_is_given() -> None:
    async with served(web={"stream_readers": 1}) as site:
        async with reading(site) as answer:
            await next_of(answer, "counters")
            found, body, _ = await site.ask(STREAM)
            assert (found, body["error"]["code"]) == (503, "too_many_readers")
        feed = site.app[FEED]
        await eventually(lambda: not feed._readers, "the place is free", 5)
        assert not feed._tasks, "nobody reads, nothing is made"
        async with reading(site) as answer:
            await next_of(answer, "counters")


async def test_a_reader_that_takes_nothing_is_dropped() -> None:
    reader = Reader(None)
    for number in range(WAITING + 5):
        reader.put(b"%d" % number)
    taken = [reader.messages.get_nowait() for _ in range(WAITING)]
    assert reader.is_dropped
    assert taken[-1] is None
    assert reader.messages.empty()


async def test_what_was_missed_too_long_ago_is_a_gap() -> None:
    async with served() as site:
        for last_id in ("1", "x", str(NOW_MS - 601_000), str(NOW_MS + 1), "9" * 40, "²"):
            async with reading(site, **{"Last-Event-ID": last_id}) as answer:
                assert "too long ago" in (await next_of(answer, "gap"))["reason"], last_id


async def test_a_store_that_is_away_is_a_gap_and_figures_go_on() -> None:
    async with served() as site, reading(site, **{"Last-Event-ID": str(NOW_MS - 5_000)}) as answer:
        assert "ClickHouse" in (await next_of(answer, "gap"))["reason"]
        await next_of(answer, "counters")


async def test_a_sign_in_that_ends_ends_its_stream() -> None:
    async with served(web={"tokens": TOKENS}) as site:
        form = {"token": STAFF}
        _, _, headers = await site.ask("/sign-in", method="POST", data=form, headers={"Accept": "text/html"})
        cookie = headers["Set-Cookie"].partition(";")[0]
        async with reading(site, Cookie=cookie) as answer:
            await next_of(answer, "counters")
            await site.ask("/sign-out", method="POST", headers={"Cookie": cookie})
            async with asyncio.timeout(5):
                while await answer.content.readline():
                    pass
