"""How commands print: JSON for programs, a table for people."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

JOINERS = "\u200c\u200d\ufe0f"
"""Parts of emoji and of letters of some scripts, which change nothing but the form of their neighbours."""


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; numbers stand right, and no text steers the terminal or is taken for markup."""
    table = Table(title=Text(plain(title)), title_justify="left")
    body = [[_cell(value) for value in row] for row in rows]
    for index, column in enumerate(columns):
        is_number = bool(body) and all(row[index].replace(",", "").replace("-", "", 1).isdigit() for row in body)
        table.add_column(column, justify="right" if is_number else "left", no_wrap=index == 0)
    for row in body:
        table.add_row(*(Text(plain(cell, kept="\n")) for cell in row))
    Console().print(table)


def plain(text: object, kept: str = "") -> str:
    """A text without what a terminal or a reader's eye could be led by: control characters and marks of direction.

    Characters in `kept` stay.
    """
    return "".join(char if char.isprintable() or char in kept or char in JOINERS else "·" for char in str(text))


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
