"""How commands print: JSON for programs, a table for people."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; numbers stand right."""
    table = Table(title=title, title_justify="left")
    body = [[_cell(value) for value in row] for row in rows]
    for index, column in enumerate(columns):
        is_number = bool(body) and all(row[index].replace(",", "").replace("-", "", 1).isdigit() for row in body)
        table.add_column(column, justify="right" if is_number else "left", no_wrap=index == 0)
    for row in body:
        table.add_row(*row)
    Console().print(table)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
