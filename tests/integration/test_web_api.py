"""API, stream and access of a running worker that has tokens."""

import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.domain.event_types import STAGES
from app.domain.windows import time_window
from app.queries.catalogue import CATALOGUE
from app.queries.query import Query
from app.runtime.settings import ClickHouseSettings
from tests import services
from tests.cleanup import drop_databases, drop_topics
from tests.conftest import CHOICE
from tests.integration.records import Outgoing, encoded, event, send, until_stored
from tests.web_monitor import OWN, STAFF, TOKENS
from tests.workers import ROOT, WorkerProcess, environment, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

OURS, THEIRS, STRANGERS = "org one/ü", "org_two", "org_three"
STREAM = "/api/v1/stream"
SECONDS = 15.0
EXAMPLES = 6


@pytest.fixture(scope="module")
def guarded_worker(
    request: pytest.FixtureRequest,
    kafka_bootstrap: str,
    clickhouse: ClickHouseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WorkerProcess]:
    """A worker with a staff token and one of an organisation."""
    prefix = f"t{uuid.uuid4().hex[:12]}_"
    web = {"tokens": TOKENS, "open_health": True, "port": 0, "client_token": STAFF}
    configured = worker_settings(kafka_bootstrap, clickhouse, prefix, kafka={"partitions": 2}, web=web)
    with worker_process(configured, tmp_path_factory.mktemp("guarded")) as worker:
        yield worker
        log = worker.log.read_text()
        assert worker.end() == 0, log[-3000:]
        assert STAFF not in log
        assert OWN not in log
    choice = request.config.stash[CHOICE]
    if choice.kafka is services.Source.ADDRESS:
        drop_topics(kafka_bootstrap, prefix)
    if choice.clickhouse is services.Source.ADDRESS:
        drop_databases(clickhouse, prefix)


@pytest.fixture
async def worker(guarded_worker: WorkerProcess) -> WorkerProcess:
    await guarded_worker.until_ready()
    return guarded_worker


def ask(worker: WorkerProcess, path: str, token: str = STAFF, **headers: str) -> tuple[int, Any, Any]:
    """Status, JSON or text, headers."""
    url = f"http://127.0.0.1:{worker.settings.web.port}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}", **headers})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  (the worker's loopback address)
            status, body, found = answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            status, body, found = error.code, error.read(), error.headers
    is_json = found.get_content_type() == "application/json" and "Content-Encoding" not in found
    return status, json.loads(body) if is_json and body else body, found


@contextmanager
def following(worker: WorkerProcess, path: str = STREAM, token: str = STAFF, **headers: str) -> Iterator[HTTPResponse]:
    """The open stream."""
    connection = HTTPConnection("127.0.0.1", worker.settings.web.port, timeout=SECONDS)
    try:
        sent = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        connection.request("GET", path, headers=sent)
        answer = connection.getresponse()
        assert answer.status == 200
        yield answer
    finally:
        connection.close()


def messages(answer: HTTPResponse, kind: str, seconds: float = SECONDS) -> Iterator[tuple[str, Any]]:
    """Id and data of each message of a kind, until the deadline."""
    deadline, fields = time.monotonic() + seconds, {}
    while time.monotonic() < deadline:
        name, _, value = answer.readline().decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
            continue
        if fields.get("event") == kind:
            yield fields.get("id", ""), json.loads(fields["data"])
        fields = {}


def first(answer: HTTPResponse, kind: str) -> tuple[str, Any]:
    """The next message of a kind."""
    for found in messages(answer, kind):
        return found
    pytest.fail(f"no {kind} within {SECONDS} s")


def event_ids(answer: HTTPResponse, wanted: set[str]) -> tuple[str, set[str]]:
    """Last id and all event ids that came, once the wanted ones are among them."""
    came: set[str] = set()
    for last_id, found in messages(answer, "events"):
        came |= {one["eventId"] for one in found}
        if wanted <= came:
            return last_id, came
    pytest.fail(f"not within {SECONDS} s: {wanted - came}")


async def published(worker: WorkerProcess, organization: str, **changes: Any) -> str:
    one = event(organization, **changes)
    await send(worker.settings, [Outgoing(json.dumps(one).encode())], partition=len(one["eventId"]) % 2)
    return str(one["eventId"])


async def test_a_published_event_is_streamed_and_a_missed_one_comes_later(worker: WorkerProcess) -> None:
    with following(worker) as staff, following(worker, token=OWN) as ours:
        await asyncio.to_thread(first, staff, "counters")
        await asyncio.to_thread(first, ours, "counters")
        theirs = await published(worker, THEIRS, errorMessage="")
        own = await published(worker, OURS, metadata={"claimCount": 0})
        last_id, _ = await asyncio.to_thread(event_ids, staff, {own, theirs})
        _, ours_came = await asyncio.to_thread(event_ids, ours, {own})
        assert theirs not in ours_came
        counters = await asyncio.to_thread(first, ours, "counters")
        assert counters[1]["organizationId"] == OURS
    missed = {await published(worker, THEIRS), await published(worker, OURS)}
    await until_stored(worker.settings, OURS, 2)
    with following(worker, Last_Event_ID=last_id) as again:
        await asyncio.to_thread(event_ids, again, missed)
    with following(worker, token=OWN, Last_Event_ID=last_id) as again:
        found = await asyncio.to_thread(first, again, "events")
        assert {one["organizationId"] for one in found[1]} == {OURS}


async def test_a_streamed_event_has_the_shape_of_the_log(worker: WorkerProcess) -> None:
    with following(worker, f"{STREAM}?organizationId=shape") as answer:
        await asyncio.to_thread(first, answer, "counters")
        one = event("shape", pipelineStage=STAGES[0], metadata={"claimCount": 0, "aiCost": 0.5}, durationMs=5)
        await send(worker.settings, [Outgoing(json.dumps(one).encode())])
        _, [found] = await asyncio.to_thread(first, answer, "events")
        assert found == {**one, "timeWindow": time_window(one["timestamp"])}


async def test_history_answers_cheaply_when_nothing_changed(worker: WorkerProcess) -> None:
    path = "/api/v1/metrics/history?periodType=daily"
    status, body, headers = await asyncio.to_thread(ask, worker, path)
    assert (status, body["periodType"], body["snapshots"]) == (200, "daily", [])
    status, _, again = await asyncio.to_thread(lambda: ask(worker, path, **{"If-None-Match": headers["ETag"]}))
    assert status == 304
    assert again["Content-Security-Policy"]
    status, _, headers = await asyncio.to_thread(lambda: ask(worker, "/openapi.json", **{"Accept-Encoding": "gzip"}))
    assert headers["Content-Encoding"] == "gzip"


def names_of(query: Query) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(query.parameters)}


async def cursor_of(worker: WorkerProcess, path: str) -> str:
    """A query string with the place that staff got behind its first row, where there is one."""
    status, body, _ = await asyncio.to_thread(ask, worker, f"{path}?limit=1")
    cursor = body.get("continueCursor") if status == 200 else None
    return f"?limit=1&cursor={quote(cursor)}" if cursor else ""


async def test_no_organisation_gets_anothers_figure_from_the_store(worker: WorkerProcess) -> None:
    artifact = f"art_{uuid.uuid4().hex}"
    await send(worker.settings, [Outgoing(encoded(STRANGERS, artifactId=artifact, errorMessage="their secret"))])
    await until_stored(worker.settings, STRANGERS, 1)
    for query in CATALOGUE:
        path = query.path.replace("{stage}", STAGES[0])
        if "{" in path:
            path = path[: path.index("{")] + quote(artifact, safe="") + path[path.index("}") + 1 :]
        others = [f"?{name}={quote(artifact)}" for name in ("artifactId", "search") if name in names_of(query)]
        for suffix in ("", f"?organizationId={STRANGERS}", *others, await cursor_of(worker, path)):
            status, body, _ = await asyncio.to_thread(ask, worker, path + suffix, OWN)
            assert status in ({403} if STRANGERS in suffix else {200, 400, 404}), (path, suffix, body)
            assert STRANGERS not in str(body).replace("sees organisation", ""), (path, suffix)
            assert "their secret" not in str(body), (path, suffix)


def test_the_api_is_as_it_is_described(guarded_worker: WorkerProcess) -> None:
    """Few examples for each operation: what must not be taken is refused, and all answers have the shape told."""
    asyncio.run(guarded_worker.until_ready())
    base = f"http://127.0.0.1:{guarded_worker.settings.web.port}"
    headers = {"Authorization": f"Bearer {STAFF}"}
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json", headers=headers)
    names = []
    for result in schema.exclude(path=STREAM).get_all_operations():
        operation = result.ok()
        names.append(operation.path)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            # That a cursor is one of ours and a start lies before its end, no schema can say.
            case.call_and_validate(base_url=base, headers=headers, excluded_checks=[positive_data_acceptance])

        check()
    assert "/api/v1/metrics/realtime" in names


async def test_top_shows_the_overview_with_a_token_and_says_what_it_lacks_without(worker: WorkerProcess) -> None:
    async def top(*options: str, **variables: str) -> tuple[int | None, str]:
        command = (sys.executable, "-m", "app.cli", "top", *options)
        variables = environment(worker.settings) | variables
        pipe = asyncio.subprocess.PIPE
        running = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=variables, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(running.communicate(), 60)
        return running.returncode, output.decode()

    (code, found), (refused, sentence) = await asyncio.gather(
        top("--json"), top("--once", VOICEMON_WEB_CLIENT_TOKEN="")
    )
    assert code == 0, found
    assert len(json.loads(found)["counters"]) == 8
    assert json.loads(found)["lagRecords"] is not None
    assert refused == 1
    assert "VOICEMON_WEB_CLIENT_TOKEN" in sentence
