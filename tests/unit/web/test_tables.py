"""Table views."""

import pytest

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS, MINUTE_MS
from tests.web_monitor import NOW_MS, ONE, OTHER, OWN, STAFF, TOKENS, MadeUpWorker, served

HTML = {"Accept": "text/html"}
START = NOW_MS - NOW_MS % HOUR_MS


def counted() -> MadeUpWorker:
    worker = MadeUpWorker()
    worker.counters.count(ONE, 0, 3)
    worker.counters.count(OTHER, 0, 40, minutes_ago=20)
    worker.counters.count(OTHER, 7, 2, minutes_ago=59)
    worker.counters.count(None, 7, 1, minutes_ago=70)
    return worker


async def test_entries_are_sorted_and_paged() -> None:
    async with served(counted()) as site:
        _, body, _ = await site.ask("/tables/counters/?sort=value&order=down&limit=2")
        assert [entry["currentValue"] for entry in body["entries"]] == [43, 40]
        assert (body["total"], body["nextOffset"]) == (5, 2)
        _, body, _ = await site.ask("/tables/counters/?sort=value&order=down&limit=2&offset=4")
        assert [entry["currentValue"] for entry in body["entries"]] == [2]
        assert "nextOffset" not in body
        _, body, _ = await site.ask(
            f"/tables/counters/?window={START + 5}&counterType=artifacts_received_1h&sort=organization"
        )
        assert [(e.get("organizationId"), e["currentValue"]) for e in body["entries"]] == [
            (None, 43),
            (ONE, 3),
            (OTHER, 40),
        ]


async def test_the_newest_window_comes_first_unless_an_order_is_asked_for() -> None:
    async with served(counted()) as site:
        for query, first in (("", START), ("?sort=window", START), ("?order=up", START - HOUR_MS)):
            _, body, _ = await site.ask(f"/tables/counters/{query}")
            assert body["entries"][0]["windowStart"] == first, query
        _, text, _ = await site.ask("/tables/counters/?format=html")
        assert 'aria-sort="descending"><a href="?sort=window&amp;order=up' in text


async def test_the_last_hour_is_told_minute_by_minute() -> None:
    async with served(counted()) as site:
        minutes = (await site.ask("/tables/counters/"))[1]["minutes"]
        assert minutes["start"] == NOW_MS - 59 * MINUTE_MS
        assert list(minutes["counters"]) == list(COUNTER_TYPES)
        received = minutes["counters"]["artifacts_received_1h"]
        assert (len(received), received[59], received[39], sum(received)) == (60, 3, 40, 43)
        assert minutes["counters"]["failures_1h"][0] == 2
        one = (await site.ask("/tables/counters/", headers={}, params={"organizationId": ONE}))[1]["minutes"]
        assert sum(one["counters"]["artifacts_received_1h"]) == 3


async def test_figures_that_may_lack_events_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = counted()
    monkeypatch.setattr("tables.partition_counters.MOST_ORGANIZATIONS", 2)
    async with served(worker, web={"tokens": TOKENS}) as site:
        for path in ("/tables/counters/", "/api/v1/metrics/realtime"):
            for organization in (ONE, OTHER):
                assert (await site.ask(f"{path}?organizationId={organization}", STAFF))[0] == 200
            status, body, _ = await site.ask(f"{path}?organizationId=another", STAFF)
            assert (status, body["error"]["code"]) == (503, "not_counted")
            assert (await site.ask(path, STAFF))[0] == 200


async def test_the_page_works_without_a_script() -> None:
    async with served(counted()) as site:
        found, text, _ = await site.ask(
            "/tables/counters/?sort=value&limit=2&organizationId=&window=&partition=", headers=HTML
        )
        assert found == 200
        assert text.count("<svg") == 8
        assert "1 to 2 of 5" in text
        assert text.count("<tr>") == 1 + 2 + len(site.worker.counters.partition_views()) + 1, (
            "a head and a line for each"
        )
        assert "offset=2" in text
        assert 'href="?sort=value&amp;order=down' in text
        assert "style=" not in text
        _, text, _ = await site.ask("/tables/", headers=HTML)
        assert "17" in text
        assert "its owner knows" in text


async def test_an_organisations_table_holds_no_other_figure() -> None:
    async with served(counted(), web={"tokens": TOKENS}) as site:
        _, body, _ = await site.ask("/tables/counters/", OWN)
        assert [(entry["organizationId"], entry["currentValue"]) for entry in body["entries"]] == [(ONE, 3)]
        assert body["total"] == 1
        assert "partitions" not in body
        assert sum(body["minutes"]["counters"]["artifacts_received_1h"]) == 3
        assert (await site.ask(f"/tables/counters/?organizationId={OTHER}", OWN))[0] == 403
        text = (await site.ask("/tables/counters/", OWN, headers=HTML))[1]
        assert OTHER not in text
        assert START - HOUR_MS not in {int(word) for word in text.split('"') if word.isdigit()}, "windows of others"
        assert "Counted by" not in text
        assert (await site.ask("/tables/", STAFF))[1]["tables"][0]["owners"][0]["changelogOffset"] == 17
