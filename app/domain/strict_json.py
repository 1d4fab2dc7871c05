"""JSON texts by RFC 8259, as the refusal rules demand: exact, deterministic and safe on hostile input."""

import json
import math
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

from app.domain.rejects import RejectedEvent, RejectReason

# A fixed depth: the interpreter's own limit depends on how deep the caller's stack is, and a record must not be
# accepted by one worker and refused by the next.
MAX_DEPTH: Final = 256
_LONGEST_DOUBLE_DIGITS: Final = 309
_LONG_NUMBER: Final = re.compile(rf"[0-9]{{{_LONGEST_DOUBLE_DIGITS + 1}}}")
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _int_within_double_range(digits: str) -> int | float:
    return int(digits) if len(digits.lstrip("-")) <= _LONGEST_DOUBLE_DIGITS else math.inf


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
# int() refuses very long texts or takes quadratic time for them, by an environment variable of the interpreter.
_LONG_NUMBER_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_int_within_double_range)


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub("", text).encode().translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH


# Both raise outside of their except block: the errors of the standard library hold the whole payload.
def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"The value is not UTF-8: fault at byte {error.start}."
    raise RejectedEvent(RejectReason.INVALID_UTF8, detail)


def _parse(text: str) -> Any:
    if _is_too_deep(text):
        raise RejectedEvent(RejectReason.BAD_JSON, f"The value is nested more than {MAX_DEPTH} levels deep.")
    is_long = len(text) > _LONGEST_DOUBLE_DIGITS and _LONG_NUMBER.search(text) is not None
    try:
        return (_LONG_NUMBER_DECODER if is_long else _DECODER).decode(text)
    except json.JSONDecodeError as error:
        detail = f"The value is not one JSON document: fault at character {error.pos}."
    except ValueError:
        detail = "The value is not one JSON document: NaN and Infinity are not JSON."
    raise RejectedEvent(RejectReason.BAD_JSON, detail)


def parse_object(value: bytes | None) -> dict[str, Any]:
    """Members of the one JSON object in the value; of a repeated key the last.

    One leading byte order mark is allowed. Numbers beyond the range of a double come back as infinity, unpaired
    surrogate escapes as unpaired surrogates. Raises RejectedEvent: empty_value, invalid_utf8, bad_json, not_an_object.
    """
    if not value:
        raise RejectedEvent(RejectReason.EMPTY_VALUE, "The record has no value.")
    parsed = _parse(_text(value).removeprefix("\ufeff"))
    if not isinstance(parsed, dict):
        raise RejectedEvent(RejectReason.NOT_AN_OBJECT, "The value is JSON, but not an object.")
    return parsed
