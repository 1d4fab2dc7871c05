"""The tables of docs/scaling.md, worked out from what `tests.bench.scaling` has measured.

python -m tests.bench.scale_plan
"""

import json
import statistics
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "measured"
MEASURED = FOLDER / "scaling-workers.jsonl"
MEASURED_DISK = FOLDER / "scaling-disk.jsonl"
RATES = (10_000, 100_000, 300_000, 1_000_000)
"""Events a second."""
BUSY = 0.5
"""Part of a core that is planned to be in use; the rest is for catching up."""


def main() -> None:
    sys.stdout.write(plan(MEASURED) + "\n\n" + disk_plan(MEASURED_DISK) + "\n")


def plan(measured: Path) -> str:
    """Markdown: the measured points, the straight lines through them, and cores for each rate."""
    points = [json.loads(line) for line in measured.read_text(encoding="utf-8").splitlines()]
    return "\n".join([*points_table(points), "", *lines(points), "", *cores_table(points)])


def disk_plan(measured: Path) -> str:
    """Markdown: disk by stored events, and the straight line through it."""
    points = [json.loads(line) for line in measured.read_text(encoding="utf-8").splitlines()]
    rows = [
        f"| {p['storedEvents']:,} | {p['bytes'] / 1e6:,.0f} | {p['bytes'] / p['storedEvents']:.0f} "
        f"| {p['bytesByTable']['events'] / p['storedEvents']:.0f} |"
        for p in points
    ]
    fit = statistics.linear_regression([p["storedEvents"] for p in points], [p["bytes"] for p in points])
    return "\n".join(
        [
            "| stored events | disk, MB | bytes an event | of them the events' own table |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"- disk, MB = {fit.intercept / 1e6:,.1f} + {fit.slope:,.1f} * million stored events",
        ]
    )


def points_table(points: list[dict[str, float]]) -> list[str]:
    head = ["| workers | events/s | worker, µs an event | all, µs an event | peak memory of a worker, MB |"]
    rows = [
        f"| {p['workers']} | {p['eventsPerSecond']:,} | {p['workerUs']} | {p['allUs']} "
        f"| {p['workerPeakBytes'] / 1e6:.0f} |"
        for p in points
    ]
    return [*head, "| --- | --- | --- | --- | --- |", *rows]


def lines(points: list[dict[str, float]]) -> list[str]:
    """Least squares over the number of workers."""
    if len(points) < 2:
        return ["One point only: no line."]
    names = {"eventsPerSecond": "events/s", "workerUs": "worker, µs an event", "allUs": "all, µs an event"}
    counts = [p["workers"] for p in points]
    fits = {text: statistics.linear_regression(counts, [p[key] for p in points]) for key, text in names.items()}
    return [f"- {text} = {fit.intercept:,.2f} + {fit.slope:,.2f} * workers" for text, fit in fits.items()]


def cores_table(points: list[dict[str, float]]) -> list[str]:
    """Cores at the dearest measured point, half of each in use."""
    own, everything = (max(p[key] for p in points) for key in ("workerUs", "allUs"))
    rows = [
        f"| {rate:,} | {rate * own / 1e6 / BUSY:.1f} | {rate * (everything - own) / 1e6 / BUSY:.1f} |" for rate in RATES
    ]
    return ["| events/s | cores of workers | cores of Kafka and ClickHouse |", "| --- | --- | --- |", *rows]


if __name__ == "__main__":
    main()
