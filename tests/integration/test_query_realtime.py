"""Asking a worker over HTTP, against a small server of the test's own."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import typer
from typer.testing import CliRunner

from app.cli.commands import register
from app.domain.counters import RESULT_FIELDS
from app.local.ports import free_port
from app.runtime.errors import VoicemonError
from app.runtime.worker_client import WorkerClient, WorkerUnavailable

pytestmark = pytest.mark.stack
EIGHT = dict.fromkeys(RESULT_FIELDS, 3)
HOUR = {"windowStart": 1_771_164_000_000, "windowEnd": 1_771_167_600_000}
ANSWER = {**EIGHT, **HOUR, "last60Minutes": EIGHT | {"failures1h": 1234}, "asOf": 1_771_164_061_000, "stale": False}


@contextmanager
def answering(status: int, body: object) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one answer; its URL and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def voicemon() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


def test_a_worker_that_does_not_answer_is_one_sentence() -> None:
    with pytest.raises(WorkerUnavailable, match=r"no worker answers at .*: start one with 'voicemon worker'"):
        WorkerClient(f"http://127.0.0.1:{free_port()}").json("/")


def test_a_worker_that_is_not_complete_says_why() -> None:
    body = {"error": {"code": "recovering", "message": "state is being restored"}}
    with answering(503, body) as (url, _), pytest.raises(WorkerUnavailable, match="state is being restored") as caught:
        WorkerClient(url).json("/")
    assert caught.value.reason == "state is being restored"


def test_a_refused_question_is_no_outage() -> None:
    with (
        answering(400, {"error": {"code": "x", "message": "parameter is empty"}}) as (url, _),
        pytest.raises(VoicemonError, match="parameter is empty") as caught,
    ):
        WorkerClient(url).json("/")
    assert not isinstance(caught.value, WorkerUnavailable)


def test_something_else_on_the_port_is_no_worker() -> None:
    with answering(200, b"<html>") as (url, _), pytest.raises(VoicemonError, match="no worker"):
        WorkerClient(url).json("/")


@pytest.mark.parametrize("url", ["127.0.0.1:6066", "ftp://127.0.0.1", "http://", "http://[", ""])
def test_a_text_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(VoicemonError, match="no address of a worker"):
        WorkerClient(url)


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with answering(200, {"status": "live"}) as (url, _):
        assert WorkerClient(url).json("/health/live") == {"status": "live"}


def test_query_realtime_prints_a_table_with_window_and_age(voicemon: typer.Typer) -> None:
    with answering(200, ANSWER) as (url, asked):
        shown = CliRunner().invoke(voicemon, ["query", "realtime", "--url", url])
    assert shown.exit_code == 0, shown.output
    assert asked == ["/api/v1/metrics/realtime"]
    for text in ("Platform", "2026-02-15T14:00Z", "2026-02-15T15:00Z", "2026-02-15T14:01:01Z", "1,234", "failures"):
        assert text in shown.output
    assert "stale" not in shown.output


def test_query_realtime_says_that_figures_are_stale(voicemon: typer.Typer) -> None:
    with answering(200, ANSWER | {"organizationId": "org 1", "stale": True}) as (url, asked):
        shown = CliRunner().invoke(voicemon, ["query", "realtime", "--url", url, "--organization", "org 1"])
    assert asked == ["/api/v1/metrics/realtime?organizationId=org+1"]
    assert "Organisation org 1" in shown.output
    assert "stale" in shown.output


def test_query_realtime_gives_the_workers_json(voicemon: typer.Typer) -> None:
    with answering(200, ANSWER) as (url, _):
        shown = CliRunner().invoke(voicemon, ["query", "realtime", "--url", url, "--json"])
    assert json.loads(shown.stdout) == ANSWER


def test_query_realtime_gives_one_row_of_csv(voicemon: typer.Typer) -> None:
    with answering(200, ANSWER | {"organizationId": "=org"}) as (url, _):
        shown = CliRunner().invoke(voicemon, ["query", "realtime", "--url", url, "--csv"])
        both = CliRunner().invoke(voicemon, ["query", "realtime", "--url", url, "--csv", "--json"])
    assert both.exit_code == 2
    [row] = csv.DictReader(io.StringIO(shown.stdout))
    assert row["organizationId"] == "'=org"
    assert (row["failures1h"], row["last60Minutes.failures1h"]) == ("3", "1234")
    assert (row["windowStart"], row["asOf"], row["stale"]) == ("1771164000000", "1771164061000", "false")
    assert row["refusedByStore.failures1h"] == ""
