"""The picture of the README: the overview of a running worker, as a browser of 1280 by 900 shows it.

make demo                                                    # for some minutes
python -m tests.browser.picture http://127.0.0.1:6066 docs/images/overview.png
"""

import sys

from playwright.sync_api import expect

from tests.browser.chromium import running_chromium

LONGEST_WAIT_MS = 60_000
ENTRIES = 20


def take(url: str, file: str) -> None:
    """Write the picture once everything on the page is answered and live."""
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB", color_scheme="light")
        expect.set_options(timeout=LONGEST_WAIT_MS)
        page.goto(url)
        expect(page.locator(".connection")).to_have_text("Live")
        expect(page.locator(".card")).to_have_count(6)
        expect(page.locator(".entry")).to_have_count(ENTRIES)
        page.screenshot(path=file)


if __name__ == "__main__":
    take(*sys.argv[1:3])
