"""The SQL files of the questions."""

from functools import cache
from importlib.resources import files

from sinks.clickhouse.templates import names_within, statement_text


@cache
def statement(name: str, view: str = "", **parts: str) -> str:
    """Text of the statement with that name, with the formulas filled in.

    `{{ view }}` in it is the view, the name of another part that part, any other name the statement so called.
    """
    text = (files(__package__) / f"{name}.sql").read_text(encoding="utf-8")
    given = {"view": view, **parts}
    others = {other: statement(other, **given).rstrip() for other in names_within(text) - given.keys()}
    return statement_text(text, given | others)
