import json

import msgspec

from app.domain.events import Metadata, PipelineEvent, encode_event
from sinks.clickhouse.rows import encode_row, event_time_ms

EVENT = PipelineEvent(
    event_id="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c11",
    event_type="claims_extracted",
    timestamp=1_771_165_805_123,
    artifact_id="art_01",
    error_message='quote " brace } 🎤',
    metadata=Metadata(claim_count=4, ai_cost=0.0042),
)


def test_a_row_is_the_canonical_event_and_its_place_in_the_log() -> None:
    row = json.loads(encode_row(EVENT, 3, 4_200_000_000_000, 1_771_165_805_999))
    assert row == json.loads(encode_event(EVENT)) | {
        "source_partition": 3,
        "source_offset": 4_200_000_000_000,
        "append_time_ms": 1_771_165_805_999,
    }


def test_a_row_is_one_line() -> None:
    event = msgspec.structs.replace(EVENT, error_message="a\nb\r\u2028c")
    assert b"\n" not in encode_row(event, 0, 0, 0)


def test_the_same_event_gives_the_same_bytes() -> None:
    assert encode_row(EVENT, 1, 2, 3) == encode_row(msgspec.structs.replace(EVENT), 1, 2, 3)


def test_the_event_time_is_read_from_a_row() -> None:
    assert event_time_ms(encode_row(EVENT, 3, 1, 2)) == 1_771_165_805_123
