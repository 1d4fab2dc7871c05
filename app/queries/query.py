"""What a question to the store is made of: its parameters, its answer, and the function that runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question. HTTP route and command are made from it.

    `path` holds path parameters in braces; they are fields of `parameters` like all the others. `rows` is the JSON
    name of the answer's list, empty if the answer is one object; `columns` are the JSON names that a table of it
    shows on a terminal.
    """

    name: str
    path: str
    summary: str
    description: str
    parameters: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    run: Callable[[Client, Any, int], msgspec.Struct]
    """Takes a client, the parameters and the time in epoch milliseconds. Raises what the client raises, and NotFound
    where the question is about one thing that is not there."""
    rows: str
    columns: tuple[str, ...]
