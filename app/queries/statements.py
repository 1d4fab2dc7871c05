"""The SQL files of the questions."""

import re
from functools import cache
from importlib.resources import files

_PART = re.compile(r"\{\{ (\w+) \}\}")


@cache
def statement(name: str, view: str = "") -> str:
    """Text of the statement with that name; `{{ view }}` in it is the view, any other name the statement so called."""
    text = (files(__package__) / f"{name}.sql").read_text(encoding="utf-8")
    return _PART.sub(lambda part: view if part[1] == "view" else statement(part[1], view).rstrip(), text)
