"""A browser, and pages that fail their test at any console error or request to another host."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, expect

from tests.browser.chromium import running_chromium

LONGEST_WAIT_MS = 40_000
WINDOW: ViewportSize = {"width": 1280, "height": 900}
LOCALE = "en-GB"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium for all tests of this folder."""
    expect.set_options(timeout=LONGEST_WAIT_MS)
    with running_chromium() as running:
        yield running


@dataclass
class Watched:
    """What a page did that no page of ours may do."""

    host: str
    faults: list[str] = field(default_factory=list)
    tolerated: tuple[str, ...] = ()

    def note(self, fault: str) -> None:
        if not any(text in fault for text in self.tolerated):
            self.faults.append(fault)

    def look(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.note(f"request to another host: {request.url}")

    def follow(self, page: Page) -> None:
        page.on("console", lambda message: message.type == "error" and self.note(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.note(f"error: {error}"))
        page.on("request", self.look)


Open = Callable[..., Page]


@pytest.fixture(scope="package")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor whose browser keeps the page's files from test to test."""
    context = browser.new_context(viewport=WINDOW, locale=LOCALE)
    yield context
    context.close()


@pytest.fixture
def open_page(browser: Browser, visitor: BrowserContext) -> Iterator[Open]:
    """`open_page(url, tolerated=())` opens a page whose faults fail the test; with options as a visitor of its own."""
    ends: list[Callable[[], None]] = []
    all_watched: list[Watched] = []

    def open_one(url: str, tolerated: tuple[str, ...] = (), **options: Any) -> Page:
        own = browser.new_context(**{"viewport": WINDOW, "locale": LOCALE, **options}) if options else None
        page = (own or visitor).new_page()
        ends.append(own.close if own else page.close)
        page.set_default_timeout(LONGEST_WAIT_MS)
        watched = Watched(urlsplit(url).netloc, tolerated=tolerated)
        all_watched.append(watched)
        watched.follow(page)
        page.goto(url)
        return page

    yield open_one
    for end in ends:
        end()
    assert [fault for watched in all_watched for fault in watched.faults] == []
