"""The web views of a running worker."""

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.counters import COUNTER_TYPES, RESULT_FIELDS
from app.domain.windows import HOUR_MS
from tests.integration.records import Outgoing, counted, encoded, send, until_received, until_stored
from tests.workers import WorkerProcess, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(120)]

SCRIPT = "<script>alert(1)</script>"
REALTIME = "/api/v1/metrics/realtime"


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def reply_tag(reply: Reply) -> str:
    return str(reply.headers["ETag"])


async def fetch(worker: WorkerProcess, path: str, method: str = "GET", **headers: str) -> Reply:
    def ask() -> Reply:
        url = f"http://127.0.0.1:{worker.settings.web.port}{path}"
        request = urllib.request.Request(url, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (the worker's loopback address)
                return Reply(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), error.headers)

    return await asyncio.to_thread(ask)


@pytest.fixture
async def worker(shared_worker: WorkerProcess) -> WorkerProcess:
    await shared_worker.until_ready()
    return shared_worker


async def test_events_become_visible_and_stored(worker: WorkerProcess) -> None:
    organization = f"org_{uuid.uuid4().hex}"
    for number in range(1, 4):
        await send(worker.settings, [Outgoing(encoded(organization))], partition=number % 2)
        await until_received(worker, organization, number)
    await until_stored(worker.settings, organization, 3)


async def test_live_figures_say_their_window_scope_and_age(worker: WorkerProcess) -> None:
    reply = await fetch(worker, REALTIME)
    now_ms, body = time.time_ns() // 1_000_000, reply.json
    assert reply.status == 200
    # Other tests share this worker; it says so where one of them had a row refused.
    found = set(body) - {"refusedByStore"}
    assert found == {*RESULT_FIELDS, "windowStart", "windowEnd", "last60Minutes", "asOf", "stale"}
    assert set(body["last60Minutes"]) == set(RESULT_FIELDS)
    assert body["windowStart"] % HOUR_MS == 0
    assert body["windowEnd"] == body["windowStart"] + HOUR_MS
    assert now_ms - 10_000 < body["asOf"] <= now_ms + 1_000
    assert body["stale"] is False
    assert reply.headers["Cache-Control"] == "no-store"


async def test_an_organisation_sees_its_own_figures_only(worker: WorkerProcess) -> None:
    ours, other = (f"ünï/{name}&{uuid.uuid4().hex}" for name in "ab")
    await send(worker.settings, [Outgoing(encoded(ours)), Outgoing(encoded(other)), Outgoing(encoded(other))])
    await until_received(worker, quote(other, safe=""), 2)
    assert (await counted(worker, quote(ours, safe="")))["artifactsReceived1h"] == 1
    assert (await fetch(worker, f"{REALTIME}?organizationId={quote(ours, safe='')}")).json["organizationId"] == ours
    nobody = (await fetch(worker, f"{REALTIME}?organizationId=nobody")).json
    assert [nobody[name] for name in RESULT_FIELDS] == [0] * 8


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{REALTIME}?organisationId=a", 400, "unknown_parameter"),
        (f"{REALTIME}?organizationId=", 400, "invalid_parameter"),
        (f"{REALTIME}?organizationId=a&organizationId=b", 400, "repeated_parameter"),
        ("/tables/counters/?counterType=x", 400, "invalid_parameter"),
        ("/tables/counters/?format=xml", 400, "invalid_parameter"),
        ("/tables/?organizationId=a", 400, "unknown_parameter"),
        ("/nothing/here", 404, "not_found"),
        ("/api/v1/metrics/realtime/", 404, "not_found"),
        ("/tables/nothing/", 404, "not_found"),
    ],
)
async def test_wrong_use_is_told_in_one_shape(worker: WorkerProcess, path: str, status: int, code: str) -> None:
    reply = await fetch(worker, path)
    assert reply.status == status
    assert set(reply.json) == {"error"}
    assert reply.json["error"]["code"] == code
    assert len(reply.json["error"]["message"]) > 10


@pytest.mark.parametrize("path", [REALTIME, "/tables/", "/health/live", "/metrics"])
async def test_another_method_is_not_allowed(worker: WorkerProcess, path: str) -> None:
    reply = await fetch(worker, path, "POST")
    assert (reply.status, reply.json["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in reply.headers["Allow"]


async def test_the_bare_address_is_the_live_page_and_loads_nothing_but_its_own_files(worker: WorkerProcess) -> None:
    reply = await fetch(worker, "/", Accept="text/html")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "://" not in reply.body.decode()
    assert (await fetch(worker, "/view/events")).body == reply.body


async def test_files_of_the_page_are_kept_by_browsers_and_asked_for_again_by_their_tag(worker: WorkerProcess) -> None:
    page = (await fetch(worker, "/")).body.decode()
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for path in paths:
        reply = await fetch(worker, path)
        assert reply.status == 200, path
        assert reply.headers["Content-Type"].startswith(types[path.rpartition(".")[2]])
        assert "immutable" in reply.headers["Cache-Control"]
    again = await fetch(worker, paths[0], **{"If-None-Match": reply_tag(await fetch(worker, paths[0]))})
    assert (again.status, again.body) == (304, b"")
    of_another_version = re.sub(r"/static/\w+/", "/static/0123456789abcdef/", paths[0])
    assert "immutable" not in (await fetch(worker, of_another_version)).headers["Cache-Control"]


NO_FILES = ["/static/", "/static/x.js", "/static/0123456789abcdef/../server.py", "/view/a/b", "/view/", "/view/event"]


@pytest.mark.parametrize("path", NO_FILES)
async def test_there_is_nothing_beside_the_files_of_the_page(worker: WorkerProcess, path: str) -> None:
    assert (await fetch(worker, path)).status == 404


async def test_the_tables_are_listed_with_their_changelogs(worker: WorkerProcess) -> None:
    tables = {table["name"]: table for table in (await fetch(worker, "/tables/")).json["tables"]}
    assert set(tables) == {"counters", "seen-events"}
    assert tables["counters"]["partitions"] == [0, 1]
    assert tables["counters"]["changelog"].endswith("-counters-changelog")
    page = await fetch(worker, "/tables/", Accept="text/html")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b'href="/tables/counters/"' in page.body


async def test_entries_of_the_counters_table_by_type_and_organisation(worker: WorkerProcess) -> None:
    organization = f"org_{uuid.uuid4().hex}"
    values = [encoded(organization), encoded(organization, eventType="artifact_failed"), encoded(organization)]
    await send(worker.settings, [Outgoing(value) for value in values])
    await until_received(worker, organization, 2)
    entries = (await fetch(worker, f"/tables/counters/?organizationId={organization}")).json["entries"]
    assert {entry["counterType"] for entry in entries} == {
        "artifacts_received_1h",
        "artifacts_failed_1h",
        "failures_1h",
    }
    one = (await fetch(worker, f"/tables/counters/?organizationId={organization}&counterType=failures_1h")).json
    [entry] = one["entries"]
    start = entry["windowStart"]
    assert entry == {
        "counterType": "failures_1h", "organizationId": organization, "currentValue": 1,
        "windowStart": start, "windowEnd": start + HOUR_MS,
    }  # fmt: skip
    platform = (await fetch(worker, "/tables/counters/")).json["entries"][0]
    assert "organizationId" not in platform


async def test_a_page_shows_an_organisation_as_text_whatever_its_name(worker: WorkerProcess) -> None:
    await send(worker.settings, [Outgoing(encoded(SCRIPT))])
    await until_received(worker, quote(SCRIPT, safe=""), 1)
    for path in ("/tables/counters/", f"/tables/counters/?organizationId={quote(SCRIPT, safe='')}"):
        page = await fetch(worker, path, Accept="text/html")
        assert page.status == 200
        assert SCRIPT.encode() not in page.body
        assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in page.body
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert all(name in page.body.decode() for name in COUNTER_TYPES), "the filter offers every counter"


async def test_metrics_are_prometheus_text_with_bounded_labels(worker: WorkerProcess) -> None:
    reply = await fetch(worker, "/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(reply.body.decode())}
    assert {"voicemon_events_accepted", "voicemon_lag_records", "voicemon_ready"} <= families.keys()
    assert all(name.startswith("voicemon_") for name in families)
    assert all(family.documentation for family in families.values())
    labels = {name for family in families.values() for sample in family.samples for name in sample.labels}
    assert labels <= {"partition", "reason", "kind", "code", "table", "le"}


async def test_an_idle_worker_stays_current(worker: WorkerProcess) -> None:
    first = (await fetch(worker, REALTIME)).json["asOf"]

    async def moved() -> bool:
        return (await fetch(worker, REALTIME)).json["asOf"] > first

    await eventually(moved, "asOf moves without records")
