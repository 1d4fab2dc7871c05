"""A browser, and pages that fail their test at any console error or request to another host."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.browser.chromium import running_chromium

LONGEST_WAIT_MS = 10_000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium for all tests of this folder."""
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


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """`open_page(url, tolerated=(), **context)` opens a page in a context of its own; its faults fail the test."""
    opened: list[tuple[Any, Watched]] = []

    def open_one(url: str, tolerated: tuple[str, ...] = (), **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})
        context.set_default_timeout(LONGEST_WAIT_MS)
        watched = Watched(urlsplit(url).netloc, tolerated=tolerated)
        opened.append((context, watched))
        page = context.new_page()
        watched.follow(page)
        page.goto(url)
        return page

    yield open_one
    for context, _ in opened:
        context.close()
    assert [fault for _, watched in opened for fault in watched.faults] == []
