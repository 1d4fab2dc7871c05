"""The live page in a real browser, on a made-up monitor."""

import contextlib
import csv
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Error, Page, ViewportSize, expect

from app.domain.windows import HOUR_MS
from tests.browser.accessibility import faults
from tests.browser.conftest import Open
from tests.browser.fake_api import Trouble, application
from tests.browser.hostile import HOSTILE, LONG
from tests.browser.serving import served
from tests.browser.world import ORGANISATIONS, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PHONE: ViewportSize = {"width": 375, "height": 700}


class Site:
    """A made-up monitor that serves the page."""

    def __init__(self, url: str, world: World, trouble: Trouble) -> None:
        self.url, self.world, self.trouble = url, world, trouble

    def failed_artifact(self) -> str:
        return str(next(row["artifactId"] for row in self.world.artifacts if row["status"] == "failed"))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    world, trouble = World(time.time_ns() // 1_000_000), Trouble()
    with served(application(world, trouble)) as url:
        yield Site(url, world, trouble)


def is_settled(page: Page) -> None:
    """Every panel shows an answer."""
    expect(page.locator(".connection")).to_have_attribute("data-state", "live")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


VIEWS = (
    "/",
    "/view/artifacts",
    "/view/metrics",
    "/view/events",
    "/view/pipeline",
    "/view/stage?stage=claims_extraction",
)


@pytest.mark.parametrize("path", [*VIEWS, "artifact"])
def test_a_view_is_accessible_in_light_and_dark_and_fits_a_phone(site: Site, open_page: Open, path: str) -> None:
    target = f"/view/artifact?id={site.failed_artifact()}" if path == "artifact" else path
    page = open_page(site.url + target)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    is_settled(page)
    assert faults(page) == []
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert faults(page, "color-contrast") == []
    page.set_viewport_size(PHONE)
    # Charts are drawn anew for the width a moment after the window has it.
    page.wait_for_function("document.documentElement.scrollWidth <= 375", timeout=5_000)


def test_the_overview_shows_flow_cards_and_the_last_twenty_events(site: Site, open_page: Open) -> None:
    page = open_page(site.url)
    expect(page.locator(".stage")).to_have_count(5)
    expect(page.locator('.stage[data-stage="claims_extraction"]')).to_have_attribute("data-state", "bad")
    expect(page.locator('.stage[data-stage="draft_generation"]')).to_have_attribute("data-state", "slow")
    expect(page.locator(".card")).to_have_count(6)
    expect(page.locator(".entry")).to_have_count(20)
    newest = page.locator(".entry").first
    assert newest.get_attribute("data-event") == site.world.events[-1]["eventId"]


def test_a_stage_opens_by_keyboard_and_the_back_button_returns(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/?organizationId=org_002")
    page.locator('.stage[data-stage="transcription"]').focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name="Stage: Transcription")
    expect(heading).to_be_focused()
    # The view is made anew when names of organisations arrive.
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    expect(heading).to_be_focused()
    assert page.url.endswith("/view/stage?organizationId=org_002&stage=transcription")
    page.go_back()
    expect(page.locator(".stage")).to_have_count(5)
    expect(page.locator("#organization")).to_have_value("org_002")


def test_filters_combine_stand_in_the_address_and_can_be_cleared(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/view/events")
    page.locator(".pick summary").click()
    page.get_by_role("checkbox", name="Transcription failed").check()
    page.get_by_role("checkbox", name="Note failed").check()
    page.keyboard.press("Escape")
    page.get_by_label("Stage").select_option("transcription")
    page.locator("#organization").select_option("org_001")
    is_settled(page)
    wanted = [
        event for event in site.world.of(site.world.events, "org_001") if event["eventType"] == "transcription_failed"
    ]
    expect(page.locator("tr.opens")).to_have_count(len(wanted))
    assert "type=artifact_failed&type=transcription_failed" in page.url
    assert "stage=transcription" in page.url and "organizationId=org_001" in page.url

    again = open_page(page.url)
    expect(again.locator("tr.opens")).to_have_count(len(wanted))
    again.get_by_role("button", name="Clear filters").click()
    expect(again.locator("tr.opens")).to_have_count(50)
    assert "type=" not in again.url and "organizationId=org_001" in again.url


def test_a_row_opens_the_whole_event_and_more_rows_come_without_repeats(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/view/events")
    page.locator(".expand").first.click()
    shown = json.loads(page.locator("pre.whole").inner_text())
    assert shown == site.world.events[-1]
    page.get_by_role("button", name="Load 50 more").click()
    expect(page.locator("tr.opens")).to_have_count(100)
    rows = page.locator("tr.opens").evaluate_all("rows => rows.map(row => row.dataset.row)")
    assert rows == [event["eventId"] for event in reversed(site.world.events)][:100]
    expect(page.locator("pre.whole")).to_have_count(1)


def still(open_page: Open, address: str) -> Page:
    """A page whose timers stand still, so that nothing but the stream moves it; its clock is its visitor's own."""
    page = open_page(address, locale="en-GB")
    page.clock.install()
    page.goto(address)
    is_settled(page)
    stop_clock(page)
    return page


def stop_clock(page: Page) -> None:
    """The moment to stop at must still be ahead when the browser hears of it; if it is not, a later one is tried."""
    for ahead_seconds in (0.05, 0.2, 1.0, 4.0):
        with contextlib.suppress(Error):
            page.clock.pause_at(page.evaluate("Date.now()") / 1000 + ahead_seconds)
            return
    raise AssertionError("the page's clock could not be stopped")


def test_a_new_event_is_on_the_screen_by_itself_unless_someone_reads_a_row(site: Site, open_page: Open) -> None:
    overview, events = still(open_page, site.url), still(open_page, f"{site.url}/view/events?stage=ingestion")
    new = site.world.publish("artifact_received", artifactId="art_new", pipelineStage="ingestion")
    expect(overview.locator(".entry").first).to_have_attribute("data-event", new["eventId"])
    expect(events.locator("tr.opens").first).to_have_attribute("data-row", new["eventId"])
    events.locator(".expand").nth(3).click()
    newer = site.world.publish("artifact_received", artifactId="art_newer", pipelineStage="ingestion")
    events.get_by_role("button", name="1 new, show from the top").click()
    expect(events.locator("tr.opens").first).to_have_attribute("data-row", newer["eventId"])


def test_what_came_before_the_stream_did_is_asked_for_again(site: Site, open_page: Open) -> None:
    site.trouble.late_stream = True
    try:
        overview = still(open_page, site.url)
        events = still(open_page, f"{site.url}/view/events?stage=ingestion")
        new = site.world.publish("artifact_received", artifactId="art_between", pipelineStage="ingestion")
    finally:
        site.trouble.late_stream = False
    expect(overview.locator(".entry").first).to_have_attribute("data-event", new["eventId"])
    expect(events.locator("tr.opens").first).to_have_attribute("data-row", new["eventId"])


def test_what_comes_live_while_a_list_is_asked_for_stays(site: Site, open_page: Open) -> None:
    page = still(open_page, site.url)
    site.trouble.late_events = True
    try:
        page.get_by_role("link", name="Events", exact=True).click()
        new = site.world.publish("artifact_received", organizationId="org_signal", pipelineStage="ingestion")
        expect(page.locator('#organization option[value="org_signal"]')).to_be_attached()
    finally:
        site.trouble.late_events = False
    expect(page.locator("tr.opens").first).to_have_attribute("data-row", new["eventId"])


def test_a_csv_holds_every_row_and_no_formula(site: Site, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{site.url}/view/artifacts")
    is_settled(page)
    formula = site.world.artifacts[3]
    before = formula["coachUserId"]
    formula["coachUserId"] = '=HYPERLINK("http://x","y")'
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    formula["coachUserId"] = before
    waiting.value.save_as(tmp_path / "artifacts.csv")
    with (tmp_path / "artifacts.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "ID",
        "Status",
        "Source",
        "Coach",
        "Org",
        "Claims",
        "Disambig.",
        "Latency",
        "Cost",
        "Created",
    ]
    assert [row["ID"] for row in rows] == [row["artifactId"] for row in site.world.artifacts]
    assert rows[3]["Coach"] == '\'=HYPERLINK("http://x","y")'


def test_a_name_that_becomes_known_later_takes_the_place_of_the_id(site: Site, open_page: Open) -> None:
    row = dict(site.world.artifacts[0]) | {"artifactId": "art_named_later", "organizationId": "org_named_later"}
    site.world.artifacts.append({name: value for name, value in row.items() if name != "orgName"})
    page = still(open_page, f"{site.url}/view/artifact?id=art_named_later")
    expect(page.locator(".facts")).to_contain_text("org_named_later")
    site.world.publish("artifact_received", organizationId="org_named_later", orgName="Named Later")
    expect(page.locator(".facts")).to_contain_text("Named Later")
    site.world.artifacts.pop()


def test_what_is_on_the_screen_is_asked_for_first(site: Site, open_page: Open) -> None:
    page = open_page(site.url, locale="en-GB")
    is_settled(page)
    took: list[str] = []
    page.on("request", lambda request: took.append(f"asks {request.url.rpartition('/')[2].partition('?')[0]}"))
    page.on("response", lambda answer: took.append(f"gets {answer.url.rpartition('/')[2].partition('?')[0]}"))
    page.reload()
    is_settled(page)
    expect(page.locator("#organization option", has_text=ORGANISATIONS["org_001"])).to_be_attached()
    assert took.index("gets overview") < took.index("asks organizations")


def test_the_table_of_organisations_speaks_of_closed_hours_also_in_the_last_hour(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/view/events")
    is_settled(page)
    with page.expect_request("**/organizations?periodType=hourly**", timeout=20_000) as asked:
        page.goto(f"{site.url}/view/metrics?range=1H")
    query = {name: int(value) for name, value in re.findall(r"(startTime|endTime)=(\d+)", asked.value.url)}
    assert query["startTime"] % HOUR_MS == query["endTime"] % HOUR_MS == 0
    assert query["endTime"] - query["startTime"] == HOUR_MS
    assert 0 <= time.time_ns() // 1_000_000 - query["endTime"] < HOUR_MS + 60_000
    expect(page.get_by_role("region", name="Organisations", exact=True)).to_contain_text("The last closed hour")


def test_on_a_phone_time_and_type_of_an_event_are_seen_without_scrolling(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/view/events", viewport=PHONE)
    is_settled(page)
    page.locator("tr.opens .badge").first.evaluate("badge => badge.textContent = 'Entities need disambiguation'")
    beyond = """badges => {
        const end = document.querySelector(".scroll").getBoundingClientRect().right;
        return Math.max(...badges.map((badge) => badge.getBoundingClientRect().right - end));
    }"""
    assert page.locator("tr.opens td:nth-child(3) .badge").evaluate_all(beyond) <= 0


def test_a_retry_history_is_seen_whole_beside_the_timeline(site: Site, open_page: Open) -> None:
    retried = next(event["artifactId"] for event in site.world.events if event["eventType"] == "retry_initiated")
    page = open_page(f"{site.url}/view/artifact?id={retried}")
    is_settled(page)
    table = page.get_by_role("region", name="Retry history, table")
    assert table.evaluate("box => box.scrollWidth - box.clientWidth") == 0


def test_ranges_change_the_charts_and_stand_in_the_address(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/view/metrics")
    bars = page.locator('[data-chart="throughput"] rect:not(.guide)')
    expect(bars.nth(23)).to_be_attached()
    assert bars.count() in (24, 25)  # one more while the hour that began 24 hours ago is not over
    page.get_by_role("button", name="1H", exact=True).click()
    expect(bars).to_have_count(60)
    assert page.url.endswith("?range=1H")
    expect(page.get_by_role("button", name="1H", exact=True)).to_have_attribute("aria-pressed", "true")
    page.locator('[data-chart="latency"] summary').click()
    expect(page.locator('[data-chart="latency"] tbody tr')).to_have_count(60)
    page.locator('[data-chart="latency"] .plot').hover()
    expect(page.locator('[data-chart="latency"] .tip')).to_contain_text("All stages")


def test_the_theme_can_be_chosen_and_stays(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.url}/view/events", color_scheme="light")
    page.locator("#theme").select_option("dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    expect(page.locator("#theme")).to_have_value("dark")


@pytest.fixture
def hostile(site: Site) -> Iterator[str]:
    """An artifact whose events, state and organisation hold hostile texts; its id is one, too."""
    name = f"{HOSTILE}{LONG}"[:4_000]
    texts = {"errorMessage": HOSTILE, "errorCode": LONG, "orgName": HOSTILE, "newStatus": LONG, "coachUserId": LONG}
    event = {"artifactId": name, "organizationId": HOSTILE, "pipelineStage": "transcription", **texts}
    events = [site.world.publish(kind, **event) for kind in ("artifact_received", "transcription_failed")]
    events += [site.world.publish("artifact_failed", **event), site.world.publish("artifact_received", **texts)]
    row = dict(next(row for row in site.world.artifacts if row["status"] == "failed"))
    row |= {**texts, "artifactId": name, "sourceChannel": LONG, "lastErrorMessage": LONG, "lastErrorCode": HOSTILE}
    site.world.artifacts.insert(0, row)
    yield name
    site.world.artifacts.remove(row)
    for event in events:
        site.world.events.remove(event)


def test_hostile_text_is_shown_as_text_everywhere(site: Site, open_page: Open, hostile: str) -> None:
    page = open_page(f"{site.url}/view/artifact?id={quote(hostile, safe='')}")
    page.set_viewport_size(PHONE)
    is_settled(page)
    error = page.locator(".timeline .error-text").last
    expect(error).to_contain_text("<script>document.title='broken'</script><img src=x")
    assert page.title() == "Artifact · Voice Monitoring"
    for path in ("", *VIEWS, "/view/stage?stage=transcription", "/view/events?errors=1"):
        if path:
            page.goto(site.url + path)
            is_settled(page)
        assert "broken" not in page.title()
        assert page.locator("main script, main img, header script").count() == 0, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
        boxes = page.locator("main :is(tr, .entry, .tile)")
        assert boxes.evaluate_all("rows => Math.max(0, ...rows.map(row => row.offsetHeight))") < 420, path


def test_while_the_worker_recovers_the_page_says_so_and_comes_back_by_itself(site: Site, open_page: Open) -> None:
    page = open_page(site.url, tolerated=("503",))
    is_settled(page)
    site.trouble.recovering = "the counters' changelog is still being read"
    try:
        expect(page.locator(".connection")).to_contain_text("Recovering: the counters' changelog is still being read")
        fresh = open_page(site.url, tolerated=("503",))
        expect(fresh.locator(".failure.recovering").first).to_contain_text("tries again by itself")
    finally:
        site.trouble.recovering = None
    is_settled(page)
    is_settled(fresh)
    expect(fresh.locator(".card")).to_have_count(6)


def test_stale_figures_say_how_old_they_are(site: Site, open_page: Open) -> None:
    site.trouble.lag_ms = 40_000
    try:
        page = open_page(site.url)
        expect(page.locator(".connection")).to_have_text(re.compile(r"^Stale, last update 4\d s ago$"))
    finally:
        site.trouble.lag_ms = 0
    expect(page.locator(".connection")).to_have_text("Live")


def test_without_the_store_live_counters_go_on(site: Site, open_page: Open) -> None:
    site.trouble.no_store = True
    try:
        page = open_page(site.url, tolerated=("503",))
        expect(page.locator('.stage[data-state="unknown"]')).to_have_count(5)
        expect(page.locator(".flow + .failure")).to_contain_text("Live counters only: ClickHouse does not answer")
        expect(page.locator(".connection")).to_have_text("Live")
    finally:
        site.trouble.no_store = False
    expect(page.locator(".card")).to_have_count(6)
    expect(page.locator(".entry")).to_have_count(20)
