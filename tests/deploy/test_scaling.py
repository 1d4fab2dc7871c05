import json
from pathlib import Path

from tests.bench.scale_plan import MEASURED, plan
from tests.deploy.places import ROOT


def test_the_derived_figures_follow_from_the_measured_ones() -> None:
    assert plan(MEASURED) in (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def test_lines_and_cores_are_worked_out(tmp_path: Path) -> None:
    file = tmp_path / "points.jsonl"
    points = [
        {"workers": n, "eventsPerSecond": 1000 * n, "workerUs": 5.0, "allUs": 15.0, "workerPeakBytes": 100_000_000}
        for n in (1, 2)
    ]
    file.write_text("".join(json.dumps(point) + "\n" for point in points))
    assert "- events/s = 0.00 + 1,000.00 * workers" in plan(file)
    assert "| 1,000,000 | 10.0 | 20.0 |" in plan(file)
