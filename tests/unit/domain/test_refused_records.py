"""Each reason for which a record is refused, by both ways of decoding."""

import json

import pytest

from app.domain.events import AgeLimits, Anomalies
from app.domain.rejects import MAX_DETAIL_CHARS, RejectedEvent, RejectReason
from tests.factories import APPEND_TIME_MS, EVENT_ID, TIMESTAMP, bare_bytes, event_bytes, event_fields, with_member
from tests.unit.domain.ways_of_decoding import Decode, refusal, with_raw


def without(name: str) -> bytes:
    fields = event_fields()
    del fields[name]
    return json.dumps(fields).encode()


@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_and_zero_bytes_are_refused_as_empty_value(decode: Decode, value: bytes | None) -> None:
    assert refusal(decode, value) == "empty_value"


@pytest.mark.parametrize(
    "value",
    [
        bare_bytes('"errorMessage":"\ud83d"'),
        bare_bytes('"unknown":"\ud83d"'),
        bare_bytes('"errorMessage":"PUT"').replace(b"PUT", b"\xff\xfe"),
        bare_bytes('"errorMessage":"PUT"').replace(b"PUT", b"\xc0\xaf"),
        bare_bytes('"unknown":{"deep":["PUT"]}').replace(b"PUT", b"\xff"),
        bare_bytes('"PUT":1').replace(b"PUT", b"\x80"),
        bare_bytes('"metadata":{"PUT":1}').replace(b"PUT", b"\x80"),
        bare_bytes('"metadata":{"x":"PUT"}').replace(b"PUT", b"\x80"),
        event_bytes() + b"\xff",
        b"\xff",
        event_bytes().decode().encode("utf-16"),
    ],
)
def test_what_is_not_utf8_is_refused_wherever_it_stands(decode: Decode, value: bytes) -> None:
    assert refusal(decode, value) == "invalid_utf8"


@pytest.mark.parametrize(
    "value",
    [
        event_bytes()[:-1],
        event_bytes()[:100],
        b" \n\t ",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf" * 2 + event_bytes(),
        b" \xef\xbb\xbf" + event_bytes(),
        event_bytes() + event_bytes(),
        event_bytes() + b"\x00",
        b"\x00\x00\x00\x00\x07" + event_bytes(),
        b"\x0b" + event_bytes(),
        "\u00a0".encode() + event_bytes(),
        event_bytes()[:-1] + b",}",
        event_bytes().replace(b'"', b"'"),
        with_member('"unknown":[1,]'),
        with_member('"unknown":NaN'),
        with_member('"unknown":-Infinity'),
        with_member('"unknown":[Infinity]'),
        with_member('"metadata":{"aiCost":NaN}'),
        with_member('"durationMs":+1'),
        with_member('"durationMs":007'),
        with_member('"durationMs":-007'),
        with_member('"durationMs":1.'),
        with_member('"durationMs":.5'),
        with_member('"durationMs":1e'),
        with_member('"durationMs":0x10'),
        with_member('"unknown":007'),
        with_member('"errorMessage":"raw\nnewline"'),
        with_member('"errorMessage":"raw\x00nul"'),
        with_member('"unknown":"raw\x1fcontrol"'),
        with_member('"raw\tkey":1'),
        with_member('"errorMessage":"bad \\x escape"'),
        with_member('"unknown":"bad \\x escape"'),
        with_member('"errorMessage":"\\u12"'),
        with_member('"errorMessage":"\\u+123"'),
        with_member("unquoted:1"),
        with_member('"unknown":True'),
        with_member('"unknown" 1'),
        with_member("/* comment */"),
    ],
)
def test_what_is_not_one_json_document_is_refused_as_bad_json(decode: Decode, value: bytes) -> None:
    assert refusal(decode, value) == "bad_json"


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 5_000_000,
        b'{"unknown":' + b"[" * 100_000,
        with_member('"unknown":' + "[" * 100_000 + "]" * 100_000),
        with_member('"metadata":{"unknown":' + '{"a":' * 100_000 + "1" + "}" * 100_001),
        with_member('"artifactId":' + "[" * 100_000 + "]" * 100_000),
    ],
)
def test_hundred_thousand_open_brackets_are_refused_as_bad_json(decode: Decode, value: bytes) -> None:
    assert refusal(decode, value) == "bad_json"


def test_256_levels_are_accepted_and_one_more_is_bad_json(decode: Decode) -> None:
    deepest = with_member('"unknown":' + "[" * 255 + "]" * 255)
    assert decode(deepest, APPEND_TIME_MS, AgeLimits(), Anomalies()).event_id == EVENT_ID
    assert refusal(decode, with_member('"unknown":' + "[" * 256 + "]" * 256)) == "bad_json"


@pytest.mark.parametrize("text", ["[]", "{}", "[{}]", "0", "-0", "true", "null", '"text"', "1e400", '"{}"'])
def test_a_document_that_is_no_object_is_refused_but_an_empty_object_lacks_its_id(decode: Decode, text: str) -> None:
    assert refusal(decode, text.encode()) == ("missing_event_id" if text == "{}" else "not_an_object")


def test_an_array_around_an_event_is_not_an_object(decode: Decode) -> None:
    assert refusal(decode, b"[" + event_bytes() + b"]") == "not_an_object"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("eventId", "missing_event_id"), ("eventType", "missing_event_type"), ("timestamp", "missing_timestamp")],
)
def test_a_required_field_must_be_there_and_not_null(decode: Decode, name: str, reason: str) -> None:
    assert refusal(decode, without(name)) == reason
    assert refusal(decode, event_bytes(**{name: None})) == reason
    assert refusal(decode, with_member(f'"{name}":null')) == reason
    assert refusal(decode, without(name)[:-1] + f',"{name.upper()}":"x"}}'.encode()) == reason


@pytest.mark.parametrize(
    "event_id",
    [
        "",
        "x",
        "00000000-0000-0000-0000-000000000000",
        "{" + EVENT_ID + "}",
        "urn:uuid:" + EVENT_ID,
        EVENT_ID.replace("-", ""),
        EVENT_ID + "\n",
        " " + EVENT_ID,
        EVENT_ID + " ",
        EVENT_ID[:-1],
        EVENT_ID + "0",
        EVENT_ID[:-1] + "g",
        EVENT_ID[:-1] + "\u0661",
        EVENT_ID[:-1] + "\uff11",
        EVENT_ID[:-1] + "?",
        EVENT_ID[:-1] + "\x00",
        EVENT_ID[:-1] + "-",
        EVENT_ID.replace("-", "_"),
        EVENT_ID.replace("-", "\u2010"),
        "6f0e0b7-e4a2c-4f0e-9c55-0d6f6d1f3c11",
        "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh",
        "????????-????-????-????-????????????",
        5,
        True,
        [EVENT_ID],
        {"id": EVENT_ID},
        "\ud83d",
    ],
)
def test_an_event_id_that_is_no_plain_uuid_is_refused(decode: Decode, event_id: object) -> None:
    assert refusal(decode, event_bytes(eventId=event_id)) == "invalid_event_id"


@pytest.mark.parametrize(
    "event_type",
    ["", "Claims_extracted", "claims_extracted ", "claim", "claims_extracted\x00", 1, True, ["claims_extracted"], {}],
)
def test_an_event_type_that_is_none_of_the_27_is_refused(decode: Decode, event_type: object) -> None:
    assert refusal(decode, event_bytes(eventType=event_type)) == "unknown_event_type"


@pytest.mark.parametrize(
    "text",
    [
        f'"{TIMESTAMP}"',
        '""',
        "true",
        "false",
        f"{TIMESTAMP}.5",
        "[]",
        "{}",
        "1e400",
        "-1e400",
        "9" * 400,
        "-" + "9" * 400,
        "9" * 5000,
        "9" * 100_000,
    ],
)
def test_a_timestamp_without_an_integer_value_within_double_range_is_refused(decode: Decode, text: str) -> None:
    assert refusal(decode, with_raw("timestamp", text)) == "invalid_timestamp"


@pytest.mark.parametrize("stage", ["", "Ingestion", "ingestion ", "done", 3, False, ["ingestion"], {}])
def test_a_stage_that_is_none_of_the_6_is_refused(decode: Decode, stage: object) -> None:
    assert refusal(decode, event_bytes(pipelineStage=stage)) == "unknown_stage"
    assert refusal(decode, event_bytes(pipelineStage=stage, eventType="artifact_failed")) == "unknown_stage"


def test_the_first_check_that_fails_gives_the_reason(decode: Decode) -> None:
    fields: dict[str, object] = {"eventId": "x", "eventType": "x", "timestamp": "x", "pipelineStage": "x"}
    reasons = []
    for name, good in (
        ("eventId", EVENT_ID),
        ("eventType", "retry_failed"),
        ("timestamp", 1),
        ("pipelineStage", "ingestion"),
    ):
        reasons.append(refusal(decode, json.dumps(fields).encode()))
        fields |= {name: good}
    reasons.append(refusal(decode, json.dumps(fields).encode()))
    assert reasons == [
        "invalid_event_id",
        "unknown_event_type",
        "invalid_timestamp",
        "unknown_stage",
        "timestamp_too_old",
    ]


def test_a_refused_record_leaves_no_anomalies(decode: Decode) -> None:
    value = event_bytes(errorMessage="", timestamp=0, metadata={"unknown": 1}, pipelineStage="ingestion")
    assert refusal(decode, value) == "timestamp_too_old"


def test_the_detail_never_holds_the_payload(decode: Decode) -> None:
    for value in (
        event_bytes(eventId="secret"),
        event_bytes(eventType="secret"),
        event_bytes(timestamp="secret"),
        event_bytes(pipelineStage="secret"),
        b"secret",
        b'{"secret": }',
        b'"secret"',
        b"secret \xff",
        with_member('"secret":1', timestamp=0),
        event_bytes(metadata={"secret": 1}, eventType="x"),
    ):
        with pytest.raises(RejectedEvent) as caught:
            decode(value, APPEND_TIME_MS, AgeLimits(), Anomalies())
        assert "secret" not in str(caught.value)
        assert caught.value.__context__ is None


def test_a_long_detail_is_cut() -> None:
    rejected = RejectedEvent(RejectReason.REFUSED_BY_STORE, "x" * 10_000)
    assert len(rejected.detail) == MAX_DETAIL_CHARS
