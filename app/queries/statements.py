"""The SQL files of the questions."""

import re
from functools import cache
from importlib.resources import files

_PART = re.compile(r"\{\{ (\w+) \}\}")


@cache
def statement(name: str, view: str = "", **parts: str) -> str:
    """Text of the statement with that name.

    `{{ view }}` in it is the view, the name of another part that part, any other name the statement so called.
    """
    text = (files(__package__) / f"{name}.sql").read_text(encoding="utf-8")
    given = {"view": view, **parts}
    return _PART.sub(lambda part: given[part[1]] if part[1] in given else statement(part[1], **given).rstrip(), text)
