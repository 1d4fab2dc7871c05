"""Pure functions of the live page, called in the browser."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.fake_api import Trouble, application
from tests.browser.serving import served
from tests.browser.world import World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

Call = Callable[..., Any]
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Call]:
    """`call(module, function, *arguments)` gives the function's result."""
    with served(application(World(1_771_165_800_000), Trouble())) as url:
        page = browser.new_page()
        page.goto(url)
        base = page.locator("script[type=module]").get_attribute("src").rpartition("/")[0]  # type: ignore[union-attr]
        script = "async ([path, name, given]) => (await import(path))[name](...given)"
        yield lambda module, name, *given: page.evaluate(script, [f"{base}/{module}.js", name, list(given)])
        page.close()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\n=1", '"\'\n=1"'),
        ("\uff1d1", "'\uff1d1"),
        (-1, "-1"),
        ("plain = text", "plain = text"),
        ('a "quoted", text', '"a ""quoted"", text"'),
        ("two\nlines", '"two\nlines"'),
        ("=a,b", '"\'=a,b"'),
        (None, ""),
        (0, "0"),
        ({"claimCount": 4}, '"{""claimCount"":4}"'),
    ],
)
def test_a_cell_is_quoted_and_never_a_formula(call: Call, value: object, cell: str) -> None:
    assert call("csv", "cell", value) == cell


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (4_200, "4.20 s"),
        (36_400, "36.4 s"),
        (125_000, "2 min 5 s"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_the_unit_that_fits_it(call: Call, ms: int, text: str) -> None:
    assert call("format", "duration", ms) == text


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "0%"), (0.0004, "<0.1%"), (0.0006, "0.1%"), (0.123, "12.3%"), (0.9996, "100%")]
)
def test_a_share_is_rounded_but_not_to_nothing(call: Call, fraction: float, text: str) -> None:
    assert call("format", "percent", fraction) == text


@pytest.mark.parametrize(
    ("age_ms", "text"), [(-5, "Just now"), (59_999, "Just now"), (60_000, "1m ago"), (7_200_000, "2h ago")]
)
def test_an_age_is_told_as_people_do(call: Call, age_ms: int, text: str) -> None:
    assert call("format", "ago", 1_000_000_000 - age_ms, 1_000_000_000) == text


@pytest.mark.parametrize(
    ("name", "segment"),
    [("art_1", "art_1"), ("a/b c?%", "a%2Fb%20c%3F%25"), ("active", "%61ctive"), ("🎙", "%F0%9F%8E%99")],
)
def test_an_id_is_one_segment_of_a_path_and_never_a_lists_name(call: Call, name: str, segment: str) -> None:
    assert call("queries", "segment", name) == segment


def test_means_of_a_range_are_weighted_by_samples(call: Call) -> None:
    rows = [
        {"artifactsReceived": 1, "endToEndSamples": 1, "avgEndToEndLatency": 10_000, "totalAICost": 0.5},
        {"artifactsReceived": 2, "endToEndSamples": 3, "avgEndToEndLatency": 30_000, "totalAICost": 0.25},
        {"artifactsReceived": 4},
    ]
    found = call("figures", "combined", rows)
    assert (found["artifactsReceived"], found["endToEndSamples"], found["avgEndToEndLatency"]) == (7, 4, 25_000)
    assert (found["totalAICost"], found["avgTranscriptionLatency"]) == (0.75, 0)


def test_a_range_has_every_period_and_ends_with_the_open_one(call: Call) -> None:
    now = 1_771_165_800_000  # half past the hour
    hour = now - now % HOUR_MS
    periods = call("figures", "periodsOf", "6H", [{"periodStart": hour - HOUR_MS, "artifactsReceived": 3}], now)
    assert [period["start"] for period in periods] == [hour - number * HOUR_MS for number in range(6, -1, -1)]
    assert [period["isOpen"] for period in periods] == [False] * 6 + [True]
    assert call("figures", "sums", periods, "artifactsReceived") == [0, 0, 0, 0, 0, 3, 0]
    assert call("figures", "failureRates", periods)[0] is None


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        ({"count": 3}, "unknown"),
        ({"count": 0, "failures": 0}, "idle"),
        ({"count": 3, "failures": 0}, "good"),
        ({"count": 0, "failures": 0, "queueDepth": 1}, "good"),
        ({"count": 3, "failures": 0, "avgLatency": 1_500, "baselineLatency": 1_000}, "good"),
        ({"count": 3, "failures": 0, "avgLatency": 1_501, "baselineLatency": 1_000}, "slow"),
        ({"count": 3, "failures": 1, "avgLatency": 9_000, "baselineLatency": 1_000}, "bad"),
    ],
)
def test_failures_win_over_slowness_in_a_stages_colour(call: Call, stage: dict[str, int], state: str) -> None:
    assert call("views/flow-graph", "stageState", stage) == state


def test_ticks_are_round_and_reach_the_greatest_value(call: Call) -> None:
    assert call("charts/axes", "ticks", 7, "count") == [0, 2, 4, 6, 8]
    assert call("charts/axes", "ticks", 0, "count") == [0, 1, 2, 3, 4]
    assert call("charts/axes", "ticks", 95_000, "duration") == [0, 30_000, 60_000, 90_000, 120_000]
