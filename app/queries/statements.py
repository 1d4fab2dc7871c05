"""The SQL files of the questions."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """Text of the statement with that name."""
    return (files(__package__) / f"{name}.sql").read_text(encoding="utf-8")
