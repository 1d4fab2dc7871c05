"""Texts of a query string or a command line as the typed parameters of a question."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from app.queries.cursor import read_cursor
from app.queries.errors import InvalidParameter
from app.queries.fields import KIND, START, TIME

Parsed = TypeVar("Parsed", bound=msgspec.Struct)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_WHAT = {inspect.IntType: "a whole number", inspect.BoolType: "true or false"}


def parse_values(parameters: type[Parsed], raw: Mapping[str, Sequence[str]]) -> Parsed:
    """The parameters, each given as the texts that it came with.

    Raises InvalidParameter with the name and one sentence for what is unknown, repeated, empty, missing, out of
    bounds or of another kind, and for a cursor of other filters.
    """
    fields = fields_of(parameters)
    values: dict[str, Any] = {}
    for name, texts in raw.items():
        field = fields.get(name)
        if field is None:
            known = ", ".join(fields)
            raise InvalidParameter(name, f"unknown parameter {name!r}; known here: {known}")
        values[name] = _parse(name, field.type, texts)
    for name, field in fields.items():
        if field.required and name not in values:
            raise InvalidParameter(name, f"parameter {name!r} is missing")
    parsed = msgspec.convert(values, parameters)
    start, end = values.get("startTime"), values.get("endTime")
    if start is not None and end is not None and start > end:
        raise InvalidParameter("startTime", "parameter 'startTime' is later than 'endTime'")
    read_cursor(parsed)
    return parsed


def parse_moment(text: str, *, is_start: bool = False) -> int | None:
    """Epoch milliseconds of ISO 8601 (UTC if without offset) or of digits; None if the text is neither.

    Of a time between two milliseconds it is the earlier one, as the start of a range the later one.
    """
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        # A plus sign that nobody encoded arrives as a blank.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text else text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return -((EPOCH - aware) // MILLISECOND) if is_start else (aware - EPOCH) // MILLISECOND
    except (ValueError, OverflowError):
        return None


@cache
def fields_of(struct: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    """Fields of a struct by their JSON names, in their order."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(struct)
    return {field.encode_name: field for field in info.fields}


def _parse(name: str, kind: inspect.Type, texts: Sequence[str]) -> Any:
    plain, extra = plain_type(kind)
    if isinstance(plain, inspect.VarTupleType):
        item, extra = plain_type(plain.item_type)
        return [_parse_one(name, item, extra, text) for text in texts]
    if len(texts) != 1:
        raise InvalidParameter(name, f"parameter {name!r} is given more than once")
    return _parse_one(name, plain, extra, texts[0])


def plain_type(kind: inspect.Type) -> tuple[inspect.Type, Mapping[str, Any]]:
    """The type without None and without what describes it, and the description's extra."""
    extra: Mapping[str, Any] = {}
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind, extra = kind.type, getattr(kind, "extra", None) or {}
        else:
            kind = next(part for part in kind.types if not isinstance(part, inspect.NoneType))
    return kind, extra


def _parse_one(name: str, kind: inspect.Type, extra: Mapping[str, Any], text: str) -> Any:
    if not text:
        raise InvalidParameter(name, f"parameter {name!r} is empty; leave it out for all")
    if isinstance(kind, inspect.LiteralType):
        if text not in kind.values:
            known = ", ".join(str(value) for value in kind.values)
            raise InvalidParameter(name, f"unknown {name} {text!r}; known: {known}")
        return text
    if extra.get(KIND) in {TIME, START}:
        value = parse_moment(text, is_start=extra[KIND] == START)
        if value is None:
            example = "2026-02-15, 2026-02-15T14:00Z or epoch milliseconds"
            raise InvalidParameter(name, f"parameter {name!r} is no time: use {example}")
    else:
        value = _plain_value(name, kind, text)
    if isinstance(kind, inspect.IntType):
        _within(name, kind, value)
    return value


def _plain_value(name: str, kind: inspect.Type, text: str) -> Any:
    """The text as a number or as true or false where its kind is one of them."""
    value: Any = text
    if isinstance(kind, inspect.IntType):
        value = int(text) if _INTEGER.fullmatch(text) else None
    elif isinstance(kind, inspect.BoolType):
        value = _BOOLEANS.get(text)
    if value is None:
        raise InvalidParameter(name, f"parameter {name!r} is {_WHAT[type(kind)]}")
    return value


def _within(name: str, kind: inspect.IntType, value: int) -> None:
    if (kind.ge is not None and value < kind.ge) or (kind.le is not None and value > kind.le):
        raise InvalidParameter(name, f"parameter {name!r} is {value}, but must be {kind.ge} to {kind.le}")
