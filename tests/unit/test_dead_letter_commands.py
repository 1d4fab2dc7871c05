"""Dead letters as commands show and choose them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from app.dead_letters.choice import Choice
from app.dead_letters.letters import RETRIED_FROM, Letter, letters_of
from app.dead_letters.listing import Page, _note
from app.dead_letters.preview import LONGEST, masked

TOPIC = "voice-events"
ID = "0b8f2c1e-5d3a-4f6b-9c7d-1a2b3c4d5e6f"


def letter(offset: int, source: int, value: bytes | None = b"{", reason: str = "bad_json", **changes: Any) -> Letter:
    ours = {
        "reason": reason,
        "detail": "said",
        "source-topic": TOPIC,
        "source-partition": "2",
        "source-offset": str(source),
        "source-append-time-ms": "1000",
    } | changes
    headers = [(name, text.encode()) for name, text in ours.items()]
    record = SimpleNamespace(partition=0, offset=offset, timestamp=5_000, key=None, value=value, headers=headers)
    [found] = letters_of([record], TOPIC)  # type: ignore[list-item]
    return found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "no value"),
        (b"", "0 bytes, no JSON"),
        (b"Anna", "4 bytes, no JSON"),
        (b'"Anna"', "text(4)"),
        (b"4915123456", "number"),
        (b'{"Anna": 1, "coachUserId": "Anna"}', "{coachUserId: text(4), 1 other keys}"),
        (b'{"eventType": "artifact_received", "timestamp": 7}', '{eventType: "artifact_received", timestamp: 7}'),
        (b'{"eventType": "Anna called"}', "{eventType: text(11)}"),
        (b'{"eventId": "Anna"}', "{eventId: text(4)}"),
        (b'{"errorMessage": ["Anna"], "metadata": {"Anna": 2, "aiModel": "m"}}',
         "{errorMessage: [1 items], metadata: {aiModel: text(1), 1 other keys}}"),
    ],
)  # fmt: skip
def test_a_preview_shows_no_text_of_anybody(value: bytes | None, shown: str) -> None:
    assert masked(value) == shown


def test_a_preview_is_short() -> None:
    wide = {"metadata": {}, "timestamp": 10**300, "stageStartedAt": 10**300}
    assert len(masked(json.dumps(wide).encode())) <= LONGEST


def test_repeats_of_a_source_are_one_entry_also_across_pages() -> None:
    found: dict[Any, Any] = {}
    page = Page()
    for one in (letter(0, 10), letter(1, 11), letter(2, 10), letter(3, 12), letter(4, 11)):
        _note(one, found, page, 2, None)
    assert [(entry.source.offset, entry.copies) for entry in page.entries] == [(10, 2), (11, 2)]
    assert page.cursor == "0-1"
    last, found = Page(), {}
    for one in (letter(0, 10), letter(1, 11), letter(2, 10), letter(3, 12), letter(4, 11)):
        _note(one, found, last, 2, page.entries[-1].place)
    assert [entry.source.offset for entry in last.entries] == [12]
    assert last.cursor is None


def test_every_condition_must_hold() -> None:
    value = json.dumps({"eventId": ID.upper()}).encode()
    one = letter(3, 12, value)
    for choice in (
        Choice(), Choice(reasons=("bad_json",)), Choice(from_ms=5_000, to_ms=5_001), Choice(partition=2),
        Choice(from_offset=12, to_offset=12), Choice(event_ids=(ID,)),
    ):  # fmt: skip
        assert choice.has(one)
    for choice in (
        Choice(reasons=("empty_value",)), Choice(to_ms=5_000), Choice(partition=0), Choice(from_offset=13),
        Choice(to_offset=11), Choice(event_ids=("x",)), Choice(partition=2, from_ms=5_001),
    ):  # fmt: skip
        assert not choice.has(one)


def test_records_of_another_topic_and_marks_of_others_are_no_letters() -> None:
    foreign = SimpleNamespace(partition=0, offset=1, timestamp=0, key=None, value=b"", headers=[("source-topic", b"x")])
    assert list(letters_of([foreign], TOPIC)) == []  # type: ignore[list-item]


def test_a_record_that_failed_again_names_the_letter_it_was_sent_from() -> None:
    assert letter(5, 20, **{RETRIED_FROM: "0-3"}).retried_from == "0-3"
    assert letter(5, 20).retried_from is None


def test_the_words_of_the_store_are_not_listed() -> None:
    page = Page()
    _note(letter(0, 10, reason="refused_by_store", detail="Cannot parse 'Anna'"), {}, page, 1, None)
    assert page.entries[0].detail == ""
