"""How the overview in the terminal looks."""

from typing import Any

from rich.console import Console

from app.cli.overview import CounterRow, Overview
from app.cli.top_screen import screen
from app.domain.counters import RESULT_FIELDS

NOW_MS = 1_771_165_805_000


def overview(**changes: Any) -> Overview:
    rows = [CounterRow(name.removesuffix("1h"), 1_200, 3_400, 5, 6.5, [0, 3, 6]) for name in RESULT_FIELDS]
    base = {
        "url": "http://127.0.0.1:6066", "organization_id": None, "is_ready": True, "reasons": [],
        "window_start": NOW_MS, "as_of": NOW_MS, "stale": False, "counters": rows,
        "lag_records": 17, "unseen_partitions": 2,
        "errors": [], "stuck": [], "missing": {},
    }  # fmt: skip
    return Overview(**(base | changes))


def printed(found: Overview, problem: str = "", width: int = 120) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(screen(found, NOW_MS + 40_000, problem))
    return capture.get()


def test_a_healthy_worker_is_shown_with_its_eight_counters() -> None:
    text = printed(overview())
    assert "ready" in text
    assert "lag 17 records (and 2 partitions of other workers)" in text
    assert text.count("1,200") == 8
    assert "▄█" in text
    assert text.count("none") == 2


def test_trouble_is_told() -> None:
    text = printed(overview(is_ready=False, reasons=["Kafka is away"], stale=True, missing={"stuck": "no"}, stuck=None))
    assert "not ready: Kafka is away" in text
    assert "stale, 40 s old" in text
    assert "not known: no" in text
    away = printed(overview(), "no worker answers")
    assert "no worker answers" in away and "stale, 40 s old" in away
    assert "ready" not in away, "it was, when it answered last"
    assert "no live figures: the changelog is read" in printed(
        overview(counters=[], missing={"counters": "the changelog is read"})
    )


def test_texts_of_events_cannot_steer_the_terminal() -> None:
    error = {"timestamp": NOW_MS, "artifactId": "[red]a\x1b[2J", "errorMessage": "x\r\n" + "y" * 500}
    stuck = {"artifactId": "\x1b]0;t\x07", "stage": "s", "stageElapsedMs": 61_000}
    text = printed(overview(errors=[error], stuck=[stuck], organization_id="\x1b[31m"))
    assert "\x1b" not in text
    assert "[red]a" in text
    assert "y" * 100 not in text
    assert "for 61 s" in text


def test_figures_are_whole_at_any_width() -> None:
    minutes = [number % 8 for number in range(60)]
    rows = [
        CounterRow(name.removesuffix("1h"), 1_234_567, 1_234_567, 12_345, 12_345.6, minutes) for name in RESULT_FIELDS
    ]
    error = {"timestamp": NOW_MS, "artifactId": "a" * 50, "errorMessage": "e" * 50}
    for width in (66, 80, 100, 200):
        lines = printed(overview(counters=rows, errors=[error]), width=width).splitlines()
        assert max(map(len, lines)) <= width
        counters = [line for line in lines if line.startswith(tuple(row.name for row in rows))]
        assert len(counters) == 8
        assert all(line.count("1,234,567") == 2 and "12,345.6" in line for line in counters), width
        assert ("minutes" in "".join(lines)) == (width >= 80)
        assert sum("aaaa" in line or "eeee" in line for line in lines) == 1, "an error is one line"
