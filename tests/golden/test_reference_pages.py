"""Pages of docs/ that are made from the code say what the code says; `make docs` writes them."""

from pathlib import Path

import pytest

from app.cli.reference import PAGES
from app.local.processes import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert Path(ROOT, "docs", name).read_text(encoding="utf-8") == PAGES[name](), f"run `make docs` for docs/{name}"


def test_every_setting_and_metric_says_what_it_means() -> None:
    rows = [line for page in PAGES.values() for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert not [row for row in rows if row.rstrip(" |").endswith("`")]
