"""Pages of the documentation that are made from the code: `python -m app.cli.reference docs`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from pydantic import SecretStr

from app.runtime.settings import PREFIX, Settings
from app.runtime.telemetry import Telemetry

MADE = "Made from the code by `make docs`; do not edit."


def settings_page() -> str:
    """Every setting with its default, as Markdown, a section a group."""
    lines = ["# Settings", "", MADE, "", "Each is an environment variable, read and checked once at the start."]
    for group, field in Settings.model_fields.items():
        values = field.get_default()
        heading = (type(values).__doc__ or group).strip().splitlines()[0].rstrip(".")
        lines += ["", f"## {heading}", "", *_table(("Variable", "Default", "Meaning"), _settings(group, values))]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric of a worker, as Markdown."""
    lines = ["# Metrics", "", MADE, "", "A worker gives them at `/metrics` in the text format of Prometheus.", ""]
    return "\n".join([*lines, *_table(("Metric", "Kind", "Labels", "Meaning"), _metrics())]) + "\n"


PAGES = {"settings.md": settings_page, "metrics.md": metrics_page}


def _settings(group: str, values: object) -> Iterator[tuple[str, str, str]]:
    for name, field in type(values).model_fields.items():  # type: ignore[attr-defined]
        default = field.get_default()
        shown = (
            default.get_secret_value() if isinstance(default, SecretStr) else str("" if default is None else default)
        )
        yield f"`{PREFIX}{group}_{name}`".upper(), f"`{shown}`" if shown else "", field.description or ""


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    for metric in vars(Telemetry()).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        family = next(iter(metric.describe()))
        name = f"{family.name}_total" if isinstance(metric, Counter) else family.name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        yield f"`{name}`", family.type, labels, family.documentation


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


if __name__ == "__main__":
    for file_name, page in PAGES.items():
        (Path(sys.argv[1]) / file_name).write_text(page(), encoding="utf-8")
