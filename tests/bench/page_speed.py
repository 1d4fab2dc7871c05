"""How soon a browser shows the live page on a store with a long history.

    python -m tests.bench.page_speed --folder /tmp/history --rounds 10

The folder is that of `query_speed`. The page comes from a server without a worker, to a browser that has none of its
files yet. First paint is the browser's own first contentful paint; a view is usable when all its panels show their
answers. Both in milliseconds from the start of the navigation.
"""

import argparse
from pathlib import Path
from statistics import median
from typing import Final

from playwright.sync_api import Browser

from app.runtime.settings import Settings
from app.web.server import build_web
from tests.bench.query_speed import show
from tests.bench.stored_history import opened
from tests.browser.chromium import running_chromium
from tests.browser.serving import served
from tests.web_monitor import MadeUpWorker

VIEWS: Final = {
    "overview": "/",
    "artifacts": "/view/artifacts",
    "metrics": "/view/metrics",
    "events": "/view/events",
    "pipeline": "/view/pipeline",
}
LONGEST_WAIT_MS: Final = 30_000
USABLE: Final = """() => {
    const panels = [...document.querySelectorAll("main .panel")];
    const isReady = panels.length && panels.every((panel) => panel.getAttribute("aria-busy") === "false");
    return isReady && !document.querySelector("main .failure") ? performance.now() : false;
}"""
PAINTED: Final = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def visit(browser: Browser, url: str) -> tuple[float, float]:
    """First paint and the moment when the view was usable, in milliseconds."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    try:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        usable = page.wait_for_function(USABLE, timeout=LONGEST_WAIT_MS).json_value()
        painted = page.wait_for_function(PAINTED, timeout=LONGEST_WAIT_MS).json_value()
        return painted, usable
    finally:
        context.close()


def measure(address: str, rounds: int) -> None:
    titles = ("paint", "most", "usable", "most")
    show(f"{'milliseconds':12} " + " ".join(f"{title:>8}" for title in titles))
    with running_chromium() as browser:
        for view, path in VIEWS.items():
            visits = [visit(browser, address + path) for _ in range(rounds + 1)][1:]
            figures = [number for times in zip(*visits, strict=True) for number in (median(times), max(times))]
            show(f"{view:12} " + " ".join(f"{number:8.0f}" for number in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the filled store between runs")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with opened(options.folder, options.events, options.organizations, show) as (settings, now_ms):
        served_with = Settings(clickhouse=settings.clickhouse)
        with served(build_web(MadeUpWorker(at_ms=now_ms), served_with)) as address:
            measure(address, options.rounds)


if __name__ == "__main__":
    main()
