import json
from pathlib import Path

from tests.bench.scale_plan import MEASURED, MEASURED_DISK, disk_plan, plan
from tests.deploy.places import ROOT


def test_the_derived_figures_follow_from_the_measured_ones() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert plan(MEASURED) in page
    assert disk_plan(MEASURED_DISK) in page


def test_lines_and_cores_are_worked_out(tmp_path: Path) -> None:
    file = tmp_path / "points.jsonl"
    points = [
        {"workers": n, "eventsPerSecond": 1000 * n, "workerUs": 5.0, "allUs": 15.0, "workerPeakBytes": 100_000_000}
        for n in (1, 2)
    ]
    file.write_text("".join(json.dumps(point) + "\n" for point in points))
    assert "- events/s = 0.00 + 1,000.00 * workers" in plan(file)
    assert "| 1,000,000 | 10.0 | 20.0 |" in plan(file)


def test_disk_is_worked_out(tmp_path: Path) -> None:
    file = tmp_path / "disk.jsonl"
    points = [
        {
            "storedEvents": n * 1_000_000,
            "bytes": n * 200_000_000 + 5_000_000,
            "bytesByTable": {"events": n * 90_000_000},
        }
        for n in (1, 2)
    ]
    file.write_text("".join(json.dumps(point) + "\n" for point in points))
    assert "| 2,000,000 | 405 | 202 | 90 |" in disk_plan(file)
    assert "- disk, MB = 5.0 + 200.0 * million stored events" in disk_plan(file)
