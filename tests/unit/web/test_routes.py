"""Routes made of questions: ids of any kind, scope, failures, and answers that need not be sent again."""

import re
from importlib.resources import files
from typing import Any

import pytest
from yarl import URL

from app.queries.errors import NotFound
from app.queries.fields import Answer, ArtifactField, Parameters
from app.queries.query import Query
from app.runtime.errors import SinkUnavailable
from tests.web_monitor import ONE, OTHER, OWN, STAFF, TOKENS, served


class OfArtifact(Parameters, frozen=True, kw_only=True):
    """One artifact."""

    artifact_id: ArtifactField


class Found(Answer, frozen=True, kw_only=True):
    """What was asked for."""

    what: str
    organization_id: str | None = None


def answered(what: str) -> Any:
    def run(client: object, parameters: Any, now_ms: int) -> Found:
        artifact = getattr(parameters, "artifact_id", None)
        if artifact == "nobody":
            raise NotFound("there is no such artifact")
        return Found(what=artifact or what, organization_id=parameters.organization_id)

    return run


def question(name: str, path: str, parameters: Any) -> Query:
    return Query(
        name=name, path=path, summary="", description="", parameters=parameters, answer=Found,
        run=answered(f"list {name}"),
        rows="", columns=(),
    )  # fmt: skip


CATALOGUE = (
    question("one", "/api/v1/artifacts/{artifactId}", OfArtifact),
    question("active", "/api/v1/artifacts/active", Parameters),
)


class NoClient:
    """Is asked nothing here."""

    def close(self) -> None:
        return


def store(settings: object) -> Any:
    return NoClient()


@pytest.mark.parametrize(
    ("segment", "what"),
    [
        ("active", "list active"),
        ("%61ctive", "active"),
        ("a%2Fb", "a/b"),
        ("%C3%BC%3F%23%25%20x", "ü?#% x"),
        ("Active", "Active"),
        ("active%20", "active "),
        ("%252F", "%2F"),
        ("%7Bx:y%7D", "{x:y}"),
        ("%F0%9F%8E%89" * 4000, "🎉" * 4000),
    ],
)
async def test_an_id_is_one_encoded_segment_and_never_taken_for_a_list(segment: str, what: str) -> None:
    async with served(store=store, catalogue=CATALOGUE) as site:
        url = URL(f"http://localhost/api/v1/artifacts/{segment}", encoded=True)
        async with site.session.get(url) as answer:
            assert (answer.status, (await answer.json())["what"]) == (200, what)


async def test_an_organisation_is_always_asked_for_its_own() -> None:
    async with served(store=store, catalogue=CATALOGUE, web={"tokens": TOKENS}) as site:
        for path in ("/api/v1/artifacts/active", "/api/v1/artifacts/x"):
            assert (await site.ask(path, OWN))[1]["organizationId"] == ONE
            assert (await site.ask(f"{path}?organizationId={OTHER}", OWN))[0] == 403
            assert (await site.ask(f"{path}?organizationId={OTHER}&organizationId=x", OWN))[0] == 403
            assert (await site.ask(f"{path}?organizationId={OTHER}", STAFF))[1]["organizationId"] == OTHER


async def test_failures_of_questions_are_told_in_the_one_shape() -> None:
    async with served(store=store, catalogue=CATALOGUE) as site:
        for path, status, code in (
            ("/api/v1/artifacts/nobody", 404, "not_found"),
            ("/api/v1/artifacts/x?artifactId=y", 400, "repeated_parameter"),
            ("/api/v1/artifacts/x?other=y", 400, "unknown_parameter"),
            ("/api/v1/artifacts/active?organizationId=", 400, "invalid_parameter"),
        ):
            found, body, _ = await site.ask(path)
            assert (found, body["error"]["code"]) == (status, code), path
    async with served(catalogue=CATALOGUE) as site:
        found, body, headers = await site.ask("/api/v1/artifacts/active")
        assert (found, body["error"]["code"], headers["Retry-After"]) == (503, "store_unavailable", "1")
        assert "http://" not in body["error"]["message"]


async def test_a_connection_of_the_workers_own_that_breaks_is_no_fault_of_who_asks(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def broken(settings: object) -> Any:
        raise ConnectionResetError("something behind the worker")

    async with served(store=broken, catalogue=CATALOGUE) as site:
        found, body, _ = await site.ask("/api/v1/artifacts/active")
    assert (found, body["error"]["code"]) == (500, "internal")
    assert "something behind the worker" in "".join(capfd.readouterr())


async def test_an_answer_that_did_not_change_is_not_sent_again() -> None:
    async with served(store=store, catalogue=CATALOGUE) as site:
        _, _, headers = await site.ask("/api/v1/artifacts/active")
        found, body, _ = await site.ask("/api/v1/artifacts/active", headers={"If-None-Match": headers["ETag"]})
        assert (found, body) == (304, "")


async def test_live_counters_are_answered_without_a_question_to_the_store() -> None:
    connections: list[object] = []

    def counted(settings: object) -> Any:
        connections.append(settings)
        raise SinkUnavailable("ClickHouse does not answer")

    async with served(store=counted) as site:
        for path in ("", "?organizationId=org_two", "?organizationId=nobody") * 5:
            status, body, _ = await site.ask(f"/api/v1/metrics/realtime{path}")
            assert (status, body["failures1h"]) == (200, 0)
        assert connections == []
        assert (await site.ask("/api/v1/events"))[0] == 503
        assert len(connections) == 1, "a question to the store would have been seen"


async def test_files_of_the_page_come_compressed_to_whom_can_read_them() -> None:
    async with served() as site:
        _, page, _ = await site.ask("/")
        script = page.partition('<script type="module" src="')[2].partition('"')[0]
        for path in ("/", script):
            _, plain, headers = await site.ask(path, headers={"Accept-Encoding": "identity"})
            assert "Content-Encoding" not in headers
            found, packed, packed_headers = await site.ask(path, headers={"Accept-Encoding": "gzip, br"})
            assert (found, packed, packed_headers["Content-Encoding"]) == (200, plain, "gzip")
            assert int(packed_headers["Content-Length"]) < int(headers["Content-Length"]) / 2
            assert packed_headers["Vary"] == headers["Vary"] == "Accept-Encoding"
            known = {"If-None-Match": packed_headers["ETag"], "Accept-Encoding": "gzip"}
            assert (await site.ask(path, headers=known))[:2] == (304, "")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP;q=0.8, zstd;q=0.2", "zstd"),
        ("gzip, zstd;q=0", "gzip"),
        ("gzip;q=0.0, deflate", None),
        ("identity", None),
        ("xgzip", None),
    ],
)
async def test_a_large_answer_comes_in_the_best_coding_that_the_client_takes(accepted: str, coding: str | None) -> None:
    async with served() as site:
        _, plain, _ = await site.ask("/openapi.json", headers={"Accept-Encoding": "identity"})
        status, body, headers = await site.ask("/openapi.json", headers={"Accept-Encoding": accepted})
        assert (status, body, headers.get("Content-Encoding")) == (200, plain, coding)
        assert "Accept-Encoding" in headers["Vary"]
        known = {"If-None-Match": headers["ETag"], "Accept-Encoding": "gzip"}
        assert (await site.ask("/openapi.json", headers=known))[0] == 304


async def test_the_page_is_at_the_address_of_each_of_its_views_and_nowhere_else() -> None:
    script = files("app.web").joinpath("static/js/address.js").read_text()
    views = re.findall(r'"(\w+)"', re.search(r"VIEWS = \[(.*)\]", script).group(1))  # type: ignore[union-attr]
    assert len(views) > 5
    async with served(store=store, catalogue=CATALOGUE) as site:
        assert {(await site.ask(f"/view/{view}"))[0] for view in views} == {200}
        assert {(await site.ask(f"/view/{view}"))[0] for view in ("", "x", "event", "events2")} == {404}
