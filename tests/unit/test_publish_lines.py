import base64

import pytest

from app.publisher.lines import BadLine, PlainEvent, RecordedRecord, parse_line, read_lines


def test_an_object_is_an_event_whether_or_not_it_is_valid() -> None:
    assert parse_line(1, b'{"eventType":"bogus"}\n') == PlainEvent({"eventType": "bogus"})


def test_a_recorded_record_keeps_key_bytes_and_timestamp() -> None:
    line = b'{"appendTimeMs":5,"key":"\xc3\xa4","value":"{\\"a\\": 1}"}'
    assert parse_line(1, line) == RecordedRecord("ä".encode(), b'{"a": 1}', 5)


def test_a_recorded_tombstone_has_no_value_and_a_null_key_stays_null() -> None:
    assert parse_line(1, b'{"appendTimeMs":5,"key":null,"value":null}') == RecordedRecord(None, None, 5)


def test_bytes_that_are_no_text_come_in_base64() -> None:
    encoded = base64.b64encode(b"\xff\x00")
    assert parse_line(1, b'{"appendTimeMs":5,"key":"k","valueB64":"%s"}' % encoded) == RecordedRecord(
        b"k", b"\xff\x00", 5
    )


@pytest.mark.parametrize(
    "line",
    [
        b"nope",
        b"[1]",
        b"null",
        b'{"a":1} {"b":2}',
        b'{"appendTimeMs":"5","key":null,"value":"x"}',
        b'{"appendTimeMs":5,"key":1,"value":"x"}',
        b'{"appendTimeMs":5,"key":null,"value":{}}',
        b'{"appendTimeMs":5,"key":null,"valueB64":"?"}',
        b'{"appendTimeMs":5,"key":null,"valueB64":5}',
    ],
)
def test_any_other_line_is_bad_and_named_by_its_number(line: bytes) -> None:
    found = parse_line(7, line)
    assert isinstance(found, BadLine)
    assert found.number == 7


def test_empty_lines_are_skipped_and_still_counted_for_the_numbers() -> None:
    found = [line for _, line in read_lines([b"{}\n", b"\n", b"  \n", b"x\n"])]
    assert found[0] == PlainEvent({})
    assert isinstance(found[1], BadLine)
    assert found[1].number == 4
