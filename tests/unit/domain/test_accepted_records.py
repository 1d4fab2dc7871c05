"""Records that are accepted although they are odd, by both ways of decoding."""

import json

import pytest

from app.domain.event_types import EVENT_TYPES, STAGE_OF_TYPE, STAGES
from app.domain.events import (
    AgeLimits,
    Anomalies,
    Metadata,
    PipelineEvent,
    decode_event,
    encode_event,
    event_key,
)
from tests.factories import APPEND_TIME_MS, EVENT_ID, TIMESTAMP, bare_bytes, event_bytes, with_member
from tests.unit.domain.ways_of_decoding import Accept


def usual() -> PipelineEvent:
    return PipelineEvent(
        event_id=EVENT_ID,
        event_type="claims_extracted",
        timestamp=TIMESTAMP,
        artifact_id="art_01",
        organization_id="org_abc123",
        coach_user_id="user_9",
        pipeline_stage="claims_extraction",
        stage_started_at=1_771_165_801_000,
        stage_completed_at=1_771_165_805_000,
        duration_ms=4000,
        metadata=Metadata(claim_count=4, confidence_score=0.87, ai_model="gpt-4o", ai_cost=0.0042),
    )


def test_the_example_event_gives_its_duration_and_its_hour(accept: Accept) -> None:
    event, found = accept(event_bytes())
    assert event == usual()
    assert event.time_window == "2026-02-15-14"
    assert found == Anomalies()


@pytest.mark.parametrize(
    "value",
    [
        b"\xef\xbb\xbf" + event_bytes(),
        b"\xef\xbb\xbf \r\n\t" + event_bytes() + b"\n \r\t",
        b" \n" + event_bytes() + b"\n",
        event_bytes().replace(str(TIMESTAMP).encode(), f"{TIMESTAMP}.0".encode()),
        event_bytes().replace(str(TIMESTAMP).encode(), b"1.771165805123e12"),
        event_bytes().replace(str(TIMESTAMP).encode(), b"1771165805123000E-3"),
        event_bytes().replace(b":4,", b":4.0,"),
        event_bytes(eventId=EVENT_ID.upper()),
        event_bytes(eventId=EVENT_ID.replace("f", "F")),
        event_bytes().replace(b'"eventId"', b'"\\u0065vent\\u0049d"').replace(b'"aiCost"', b'"ai\\u0043ost"'),
        event_bytes().replace(b'"claims_extracted"', b'"claims\\u005fextracted"'),
        with_member('"unknown":{"deep":[1,"x",null,1e400]},"":0,"timeWindow":"1999-01-01-00","event_id":5'),
        with_member('"unknown":"\\ud83d","\\ud83d":1'),
        with_member('"unknown":' + "9" * 5000),
        with_member('"unknown":' + "[" * 19 + "]" * 19),
        with_member('"unknown":' + '{"a":' * 19 + "1" + "}" * 19),
        with_member('"unknown":"' + "[" * 100_000 + '"'),
        with_member('"unknown":[' + "[]," * 1000 + "[]]"),
        with_member('"unknown":"' + '\\"[' * 1000 + '"'),
        event_bytes(voiceNoteId=None, durationMs=None, errorMessage=None, previousStatus=None),
        event_bytes(pipelineStage=None),
    ],
)
def test_harmless_oddities_give_the_same_event_and_no_anomaly(accept: Accept, value: bytes) -> None:
    event, found = accept(value)
    assert event == usual()
    assert found == Anomalies()


def test_the_last_of_repeated_keys_counts_whatever_the_earlier_ones_held(accept: Accept) -> None:
    repeated = ",".join(
        [
            '"eventId":7',
            '"eventId":"6f0e0b7e-4a2c-4f0e-9c55-000000000000"',
            '"eventType":"nonsense"',
            '"timestamp":"x"',
            '"metadata":{"unknown":1,"claimCount":-1,"draftCount":9}',
            '"artifactId":""',
            '"pipelineStage":"nonsense"',
        ]
    )
    event, found = accept(b"{" + repeated.encode() + b"," + event_bytes()[1:])
    assert event == usual()
    assert found == Anomalies()


def test_a_later_repetition_replaces_a_good_value(accept: Accept) -> None:
    event, found = accept(with_member('"artifactId":null,"organizationId":"","metadata":{"draftCount":1}'))
    assert event.artifact_id is None
    assert event.organization_id is None
    assert event.metadata == Metadata(draft_count=1)
    assert found.unusable_values == 1


def test_ids_are_lower_case_and_their_key_has_all_128_bits(accept: Accept) -> None:
    event, _ = accept(event_bytes(eventId="6F0E0B7E-4A2C-4F0E-9C55-0D6F6D1F3C11"))
    assert event.event_id == EVENT_ID
    assert event_key(event) == bytes.fromhex(EVENT_ID.replace("-", ""))


@pytest.mark.parametrize("name", ["artifactId", "voiceNoteId", "organizationId", "coachUserId", "previousStatus"])
@pytest.mark.parametrize("text", ['""', "1", "0", "true", "false", "[]", "{}", '["x"]', "1.5", "1e400"])
def test_an_optional_text_that_is_no_text_or_empty_is_dropped_and_counted(accept: Accept, name: str, text: str) -> None:
    event, found = accept(bare_bytes(f'"{name}":{text}'))
    assert event == PipelineEvent(event_id=EVENT_ID, event_type="artifact_status_changed", timestamp=TIMESTAMP)
    assert found == Anomalies(unusable_values=1, any_found=True)


@pytest.mark.parametrize(
    "text",
    [" ", "\u0000", "a\u0000b", "😀 ñ ✓", "\u007f\u2028\ufeff", "x" * 5_000_000, '\\ / " \b\f\n\r\t', "null", "0"],
    ids=range(9),
)
def test_texts_are_kept_whole_and_as_they_are(accept: Accept, text: str) -> None:
    for ascii_only in (True, False):
        event, found = accept(bare_bytes(f'"errorMessage":{json.dumps(text, ensure_ascii=ascii_only)}'))
        assert event.error_message == text
        assert json.loads(encode_event(event))["errorMessage"] == text
        assert found == Anomalies()


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("cut \\ud83d", "cut \ufffd"),
        ("\\ud83d\\ude00", "😀"),
        ("\\uD83D\\uDE00", "😀"),
        ("\\ude00\\ud83d", "\ufffd\ufffd"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd😀"),
        ("\\ud83d\\\\ude00", "\ufffd\\ude00"),
        ("\\ud83dx\\ude00", "\ufffdx\ufffd"),
        ("\\udfff", "\ufffd"),
    ],
)
def test_an_unpaired_surrogate_escape_becomes_the_replacement_character(
    accept: Accept, escaped: str, text: str
) -> None:
    event, found = accept(bare_bytes(f'"errorMessage":"{escaped}","metadata":{{"aiModel":"{escaped}"}}'))
    assert event.error_message == text
    assert event.metadata == Metadata(ai_model=text)
    assert found == Anomalies()


@pytest.mark.parametrize("text", ["[]", '"x"', "1", "true", '""', "[{}]"])
def test_metadata_that_is_no_object_is_one_unusable_value(accept: Accept, text: str) -> None:
    event, found = accept(bare_bytes(f'"metadata":{text}'))
    assert event.metadata is None
    assert found == Anomalies(unusable_values=1, any_found=True)


def test_unknown_metadata_keys_are_dropped_and_counted_once_each(accept: Accept) -> None:
    event, found = accept(bare_bytes('"metadata":{"x":1,"x":2,"y":null,"claimcount":3,"claimCount":4}'))
    assert event.metadata == Metadata(claim_count=4)
    assert found == Anomalies(unknown_metadata_keys=3, any_found=True)


def test_null_in_metadata_is_absent(accept: Accept) -> None:
    event, found = accept(bare_bytes('"metadata":{"aiCost":null,"claimCount":null}'))
    assert event.metadata == Metadata()
    assert found == Anomalies()


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_type_with_a_stage_always_has_that_stage(accept: Accept, event_type: str) -> None:
    own = STAGE_OF_TYPE[event_type]
    for supplied in (None, *STAGES):
        event, found = accept(event_bytes(eventType=event_type, pipelineStage=supplied))
        assert event.pipeline_stage == (supplied if own is None else own)
        assert found.stage_mismatches == (own is not None and supplied is not None and supplied != own)


def test_anomalies_can_be_kept_apart_from_those_of_other_events() -> None:
    total, found = Anomalies(), Anomalies()
    for value, is_duplicate in ((bare_bytes('"artifactId":1'), False), (bare_bytes('"artifactId":2'), True)):
        decode_event(value, APPEND_TIME_MS, AgeLimits(), found)
        if found.any_found:
            if not is_duplicate:
                total.add(found)
            found.clear()
    assert total == Anomalies(unusable_values=1, any_found=True)
    assert found == Anomalies()
