"""Opaque cursors: the place of a page's last row in its order, and what was asked."""

import hashlib
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from app.queries.errors import InvalidParameter

_PAGE_ONLY = ("cursor", "limit")
_LONGEST = 65_536


class Place(NamedTuple):
    """Place of a row in a list: its time in milliseconds, and its id where times are equal."""

    time_ms: int
    id: str


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    question: str
    # Negative in a list that begins with the oldest row.
    time_ms: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    id: str


def write_cursor(parameters: msgspec.Struct, place: Place) -> str:
    """Cursor behind the row at `place`, for the same filters only."""
    cursor = _Cursor(_question(parameters), place.time_ms, place.id)
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def read_cursor(parameters: msgspec.Struct) -> Place | None:
    """Place after which the page begins, None for the first page. Raises InvalidParameter for a foreign cursor."""
    text: str | None = getattr(parameters, "cursor", None)
    if text is None:
        return None
    try:
        if len(text) > _LONGEST or not text.isascii():
            raise ValueError
        packed = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(packed, type=_Cursor)
    except (ValueError, Base64Error, msgspec.MsgspecError):
        raise InvalidParameter("cursor", "parameter 'cursor' is none that an answer gave: start without it") from None
    if cursor.question != _question(parameters):
        raise InvalidParameter("cursor", "parameter 'cursor' belongs to other filters: start without it")
    return Place(cursor.time_ms, cursor.id)


def _question(parameters: msgspec.Struct) -> str:
    asked = msgspec.to_builtins(parameters)
    filters = {name: value for name, value in asked.items() if name not in _PAGE_ONLY}
    text = type(parameters).__name__.encode() + msgspec.json.encode(filters, order="sorted")
    return hashlib.blake2b(text, digest_size=6).hexdigest()
