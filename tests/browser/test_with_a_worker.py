"""The live page of a real worker, behind access tokens."""

import asyncio
import json
import time
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.runtime.settings import ClickHouseSettings
from app.runtime.topics import Topics
from tests import services
from tests.browser.conftest import Open
from tests.cleanup import drop_databases, drop_topics
from tests.conftest import CHOICE
from tests.workers import Message, WorkerProcess, produce, worker_process, worker_settings

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(120)]

STAFF, CLUB = "staff-token-of-this-test", "club-token-of-this-test"
TOKENS = f"anna staff {STAFF}; club organization:org_club {CLUB}"


def aside(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in a thread of its own: the browser's loop is set in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@dataclass
class Site:
    """A worker that serves the page."""

    worker: WorkerProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.worker.settings.web.port}"

    def publish(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Events of now, written to the log; given back as they were sent."""
        base = {"timestamp": time.time_ns() // 1_000_000}
        sent = [{"eventId": str(uuid.uuid4()), **base, **event} for event in events]
        messages: list[Message] = [
            (event.get("artifactId", "none").encode(), json.dumps(event).encode(), None) for event in sent
        ]
        kafka = self.worker.settings.kafka
        aside(produce(kafka.bootstrap, Topics(kafka.topic_prefix).events, messages))
        return sent


@pytest.fixture(scope="module")
def site(
    pytestconfig: pytest.Config,
    kafka_bootstrap: str,
    clickhouse: ClickHouseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    prefix = f"t{uuid.uuid4().hex[:12]}_"
    web = {"port": 0, "tokens": TOKENS, "open_health": True}
    settings = worker_settings(kafka_bootstrap, clickhouse, prefix, kafka={"partitions": 2}, web=web)
    with worker_process(settings, tmp_path_factory.mktemp("worker")) as worker:
        aside(worker.until_ready())
        yield Site(worker)
        assert worker.end() == 0, worker.log.read_text()[-3000:]
    choice = pytestconfig.stash[CHOICE]
    if choice.kafka is services.Source.ADDRESS:
        drop_topics(kafka_bootstrap, prefix)
    if choice.clickhouse is services.Source.ADDRESS:
        drop_databases(clickhouse, prefix)


def signed_in(open_page: Open, site: Site, path: str, token: str) -> Page:
    """A page of a visitor of its own, after the sign-in that it was led to."""
    page = open_page(site.url + path, viewport={"width": 1280, "height": 900})
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    return page


def test_a_shared_address_leads_through_the_sign_in_to_its_view(site: Site, open_page: Open) -> None:
    path = "/view/events?organizationId=org_%20x&type=transcription_failed&stage=transcription"
    page = signed_in(open_page, site, path, STAFF)
    expect(page.get_by_label("Stage")).to_have_value("transcription")
    assert page.url == site.url + path
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access token")).to_be_visible()
    page.goto(site.url)
    expect(page.get_by_label("Access token")).to_be_visible()


def test_a_wrong_token_is_refused_in_words(site: Site, open_page: Open) -> None:
    page = open_page(site.url, tolerated=("401",), viewport={"width": 375, "height": 700})
    page.get_by_label("Access token").fill("not a token of this worker")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("no such access token")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
