"""The live stream without a store: figures, bounds, and what it says when something is wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp

from app.runtime.errors import SinkUnavailable
from app.web.feed import SHOWN, WAITING, Reader
from app.web.stream import FEED
from tests.web_monitor import NOW_MS, ONE, OTHER, OWN, STAFF, TOKENS, MadeUpWorker, Site, served
from tests.workers import eventually

STREAM = "/api/v1/stream"
LONGEST_WAIT_SECONDS = 30


@asynccontextmanager
async def reading(
    site: Site, path: str = STREAM, token: str = "", **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    async with site.session.get(f"http://localhost{path}", headers=sent) as answer:
        yield answer


async def next_of(answer: aiohttp.ClientResponse, kind: str) -> Any:
    """Data of the next message of a kind."""
    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
        event = ""
        while True:
            name, _, value = (await answer.content.readline()).decode().rstrip("\n").partition(": ")
            event = value if name == "event" else event
            if name == "data" and event == kind:
                return json.loads(value)


async def until(answer: aiohttp.ClientResponse, kind: str) -> str:
    """All that comes up to the next message of a kind."""
    came = ""
    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
        while f"event: {kind}" not in came or not came.endswith("\n\n"):
            came += (await answer.content.readline()).decode()
    return came


class MadeUpStore:
    """A ClickHouse client that holds rows of one insert each."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_away = False

    def put(self, offset: int, artifact: str, stored_ms: int) -> None:
        row = {"eventId": f"event {offset}", "eventType": "artifact_received", "artifactId": artifact}
        place = {"source_partition": 0, "source_offset": offset, "stored_ms": stored_ms}
        self.rows.append({**row, "organizationId": ONE, "metadata": {}, **place})

    def query(self, statement: str, parameters: dict[str, Any]) -> Any:
        if self.is_away:
            raise SinkUnavailable("it is away")
        found = [row for row in self.rows if row["stored_ms"] >= parameters["stored_ms"]]
        moments = {parameters["stored_ms"] + at for at in parameters.get("moments", ())}
        taken = [row for row in found if parameters.get("is_any", True) or row["stored_ms"] in moments]
        inserts = [(0, row["stored_ms"], row["source_offset"]) for row in found]
        return SimpleNamespace(result_rows=inserts, named_results=lambda: iter([dict(row) for row in taken]))

    def close(self) -> None:
        return


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
        for last_id in ("1", "x", str(NOW_MS - 601_000), str(NOW_MS + 91_000), "9" * 40, "²"):
            async with reading(site, **{"Last-Event-ID": last_id}) as answer:
                assert "too long ago" in (await next_of(answer, "gap"))["reason"], last_id


async def test_while_the_store_is_away_figures_go_on_and_nobody_is_told_to_follow() -> None:
    store = MadeUpStore()
    store.is_away = True
    async with served(store=lambda settings: store) as site, reading(site) as answer:  # type: ignore[arg-type]
        for _ in range(3):
            assert "event: following" not in await until(answer, "counters")
        store.is_away = False
        await next_of(answer, "following")


async def test_who_comes_back_gets_what_it_missed_before_any_id() -> None:
    store, came_back = MadeUpStore(), {"Last-Event-ID": str(NOW_MS - 6_000)}
    store.put(1, "art_missed", stored_ms=NOW_MS - 5_000)
    async with served(store=lambda settings: store) as site, reading(site, **came_back) as answer:  # type: ignore[arg-type]
        came = await until(answer, "following")
        assert came.index("art_missed") < came.index("event: following")
        assert "id: " not in came[: came.index("art_missed")], "it would come back behind what it missed"
        assert f"id: {NOW_MS}" in await until(answer, "counters")
        async with reading(site) as second:
            assert "art_missed" not in await until(second, "following"), "what was there before is not new"
            store.put(2, "art_new", stored_ms=NOW_MS)
            for each in (answer, second):
                assert [event["artifactId"] for event in await next_of(each, "events")] == ["art_new"]


async def test_more_than_is_sent_at_once_is_a_gap() -> None:
    store = MadeUpStore()
    async with served(store=lambda settings: store) as site, reading(site) as answer:  # type: ignore[arg-type]
        await until(answer, "following")
        for number in range(SHOWN + 1):
            store.put(number, f"art_{number}", stored_ms=NOW_MS)
        assert "more events" in (await next_of(answer, "gap"))["reason"]
        assert len(await next_of(answer, "events")) == SHOWN


async def test_a_sign_in_that_ends_ends_its_stream() -> None:
    async with served(web={"tokens": TOKENS}) as site:
        form = {"token": STAFF}
        _, _, headers = await site.ask("/sign-in", method="POST", data=form, headers={"Accept": "text/html"})
        cookie = headers["Set-Cookie"].partition(";")[0]
        async with reading(site, Cookie=cookie) as answer:
            await next_of(answer, "counters")
            await site.ask("/sign-out", method="POST", headers={"Cookie": cookie})
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                while await answer.content.readline():
                    pass
