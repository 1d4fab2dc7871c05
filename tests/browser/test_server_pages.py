"""Pages that the worker makes itself: sign-in, tables, counters, API."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import ViewportSize, expect

from app.runtime.settings import Settings
from app.web.server import build_web
from tests.browser.accessibility import faults
from tests.browser.conftest import Open
from tests.browser.hostile import HOSTILE, LONG
from tests.browser.serving import served
from tests.web_monitor import MadeUpWorker

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PHONE: ViewportSize = {"width": 375, "height": 700}
PAGES = ("/tables/", "/tables/counters/", "/tables/counters/?detail=partitions", "/docs/", "/sign-in")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A made-up worker with organisations whose ids would be markup, have no end, or turn the direction."""
    worker = MadeUpWorker()
    for number, organization in enumerate((HOSTILE, LONG, "org_1")):
        for minutes_ago in range(0, 60, 7):
            worker.counters.count(organization, number, 1_234, minutes_ago)
    with served(build_web(worker, Settings())) as found:
        yield found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_in_light_and_dark_and_fits_a_phone(url: str, open_page: Open, path: str) -> None:
    page = open_page(url + path)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert faults(page) == []
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert faults(page, "color-contrast") == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_ids_are_shown_as_text_and_can_be_filtered_by(url: str, open_page: Open) -> None:
    page = open_page(f"{url}/tables/counters/?sort=organization&limit=500")
    assert page.title() == "Counters · Voice Monitoring"
    assert page.locator("main script, main img").count() == 0
    cell = page.locator("td bdi", has_text="<script>").first
    assert cell.inner_text() == HOSTILE
    assert page.locator("tbody tr").evaluate_all("rows => Math.max(...rows.map(row => row.offsetHeight))") < 200
    page.get_by_label("Organisation").fill(LONG[:2_000])
    page.get_by_role("button", name="Filter").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    page.get_by_label("Organisation").fill(HOSTILE)
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#entries ~ .grid-scroll tbody tr")).to_have_count(2)
    assert set(page.locator("#entries ~ .grid-scroll td bdi").all_inner_texts()) == {HOSTILE}
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("td bdi", has_text="org_1").first).to_be_visible()
