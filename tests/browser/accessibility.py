"""What axe-core finds on a page."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

AXE = Axe()
IMPACTS = ("moderate", "serious", "critical")


def faults(page: Page, *only: str) -> list[Any]:
    """Faults of all rules or of these, except minor ones: rule, and the first three elements."""
    options = {"resultTypes": ["violations"], **({"runOnly": only} if only else {})}
    found = AXE.run(page, options=options).response["violations"]
    return [
        (
            fault["id"],
            [(node["html"][:200], node["any"][:1] and node["any"][0]["message"]) for node in fault["nodes"][:3]],
        )
        for fault in found
        if fault["impact"] in IMPACTS
    ]
