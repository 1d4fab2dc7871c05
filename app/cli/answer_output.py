"""Rows of an answer on a terminal: as a table for people, as CSV for other programs."""

import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TextIO

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.output import plain
from app.cli.period import show_moment

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are their wide forms, which some spreadsheets take for the same."""
_TIME = re.compile(r"timestamp|\w+(?:At|Time|Start|End)")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def print_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A table of the columns, each a JSON name; times are shown in UTC, numbers stand right."""
    table = Table(box=None, pad_edge=False)
    body = [[row.get(name) for name in columns] for row in rows]
    for index, name in enumerate(columns):
        is_number = any(isinstance(row[index], int | float) for row in body) and not _TIME.fullmatch(name)
        unit = " (UTC)" if _TIME.fullmatch(name) else ""
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(f"{_title(name)}{unit}", justify=justify, overflow="fold", no_wrap=bool(unit))
    for row in body:
        table.add_row(*(Text(plain(_shown(name, value))) for name, value in zip(columns, row, strict=True)))
    Console().print(table)


def print_csv(names: Iterable[str], rows: Iterable[Mapping[str, Any]], out: TextIO | None = None) -> None:
    """Rows as RFC 4180 writes them, with the names as header; `a.b` is the value `b` of the object `a`.

    A text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    header = list(names)
    writer = csv.writer(out or sys.stdout, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(_inner(row, name)) for name in header])


def _title(name: str) -> str:
    return _WORD.sub(" ", name)


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return show_moment(value) if _TIME.fullmatch(name) else str(value)
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _inner(row: Mapping[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
