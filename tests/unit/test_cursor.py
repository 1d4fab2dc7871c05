"""Cursors that no answer gave are told from those that one gave."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec
import pytest

from app.queries.artifacts import ARTIFACTS
from app.queries.cursor import Place, read_cursor, write_cursor
from app.queries.errors import InvalidParameter
from app.queries.events import EventsParameters

PLACE = Place(1_771_113_600_000, "art ü{}")
CURSOR = write_cursor(EventsParameters(), PLACE)
QUESTION = json.loads(urlsafe_b64decode(CURSOR + "=="))[0]


def asked(cursor: str, **filters: Any) -> EventsParameters:
    return EventsParameters(cursor=cursor, **filters)


def made_of(*parts: Any) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_a_cursor_gives_the_place_whatever_the_length_of_the_page() -> None:
    assert read_cursor(asked(CURSOR)) == read_cursor(asked(CURSOR, limit=7)) == PLACE
    assert read_cursor(EventsParameters()) is None


@pytest.mark.parametrize(
    "cursor",
    [
        made_of(QUESTION, -(2**63) - 1, "x"),
        made_of(QUESTION, 2**63, "x"),
        made_of(QUESTION, 10**30, "x"),
        made_of(QUESTION, 1.5, "x"),
        made_of(QUESTION, None, "x"),
        made_of(QUESTION, 1, 2),
        made_of(QUESTION, 1, "\ud800"),
        made_of(QUESTION, 1, "x", 1),
        made_of(QUESTION, 1),
        made_of("x", 1, "x"),
        " " + CURSOR,
        CURSOR + "\n",
        CURSOR + "!",
        CURSOR + "A",
        CURSOR[:-1],
        "é",
        "=",
        "A" * 100_000,
    ],
)
def test_what_no_answer_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="'cursor'"):
        read_cursor(asked(cursor))


def test_a_cursor_of_other_filters_or_of_another_list_is_refused() -> None:
    for foreign in (asked(CURSOR, organization_id="o"), msgspec.convert({"cursor": CURSOR}, ARTIFACTS.parameters)):
        with pytest.raises(InvalidParameter, match="other filters"):
            read_cursor(foreign)
