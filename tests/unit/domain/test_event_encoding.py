"""Canonical bytes of events."""

import json

from app.domain.events import AgeLimits, Anomalies, PipelineEvent, decode_event, encode_event
from tests.factories import APPEND_TIME_MS, EVENT_ID, TIMESTAMP, event_bytes, event_fields, with_member


def _canonical(value: bytes) -> bytes:
    return encode_event(decode_event(value, APPEND_TIME_MS, AgeLimits(), Anomalies()))


def test_absent_values_are_left_out() -> None:
    event = PipelineEvent(event_id=EVENT_ID, event_type="rate_limit_hit", timestamp=TIMESTAMP)
    expected = f'{{"eventId":"{EVENT_ID}","eventType":"rate_limit_hit","timestamp":{TIMESTAMP}}}'
    assert encode_event(event) == expected.encode()


def test_derived_stage_and_duration_are_written() -> None:
    canonical = _canonical(event_bytes(pipelineStage=None))
    assert b'"pipelineStage":"claims_extraction"' in canonical
    assert b'"durationMs":4000' in canonical


def test_the_same_event_has_the_same_bytes_however_it_was_written() -> None:
    backwards = json.dumps(dict(reversed(event_fields().items())), indent=2).encode()
    for value in (
        b"\xef\xbb\xbf " + event_bytes(),
        backwards,
        with_member('"ingested_at":"2020-01-01","EVENTID":"x","unknown":[{}]'),
        event_bytes(eventId=EVENT_ID.upper(), durationMs=1, timeWindow="x"),
        event_bytes().replace(b":4,", b":4e0,").replace(b"0.0042", b"42e-4"),
    ):
        assert _canonical(value) == _canonical(event_bytes())


def test_negative_zero_is_written_as_zero() -> None:
    value = event_bytes(metadata={"aiCost": -0.0, "confidenceScore": -0.0, "transcriptDuration": -0.0})
    assert b'"metadata":{"transcriptDuration":0.0,"confidenceScore":0.0,"aiCost":0.0}' in _canonical(value)
