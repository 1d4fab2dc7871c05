"""Age is judged by the append time, inclusive at both limits, by both ways of decoding."""

import pytest

from app.domain.events import AgeLimits, Anomalies
from app.domain.rejects import RejectedEvent
from app.domain.windows import HOUR_MS
from tests.factories import TIMESTAMP, event_bytes
from tests.unit.domain.ways_of_decoding import Decode, refusal, with_raw


@pytest.mark.parametrize(
    "text", ["0", "-0", "-0.0", "1", str(TIMESTAMP // 1000), "-1", f"-{TIMESTAMP}", "-1e300", "1e-400", "-" + "9" * 300]
)
def test_seconds_zero_and_negative_timestamps_are_too_old(decode: Decode, text: str) -> None:
    assert refusal(decode, with_raw("timestamp", text)) == "timestamp_too_old"


@pytest.mark.parametrize("text", [str(TIMESTAMP * 1000), "1e300", "9" * 25, "9" * 300, str(2**63), str(2**64)])
def test_microseconds_and_huge_timestamps_are_too_new(decode: Decode, text: str) -> None:
    assert refusal(decode, with_raw("timestamp", text)) == "timestamp_too_new"


def test_exactly_48_hours_old_is_accepted_and_one_more_is_too_old(decode: Decode) -> None:
    assert decode(event_bytes(), TIMESTAMP + 48 * HOUR_MS, AgeLimits(), Anomalies()).timestamp == TIMESTAMP
    assert refusal(decode, event_bytes(), TIMESTAMP + 48 * HOUR_MS + 1) == "timestamp_too_old"


def test_exactly_5_minutes_ahead_is_accepted_and_one_more_is_too_new(decode: Decode) -> None:
    assert decode(event_bytes(), TIMESTAMP - 300_000, AgeLimits(), Anomalies()).timestamp == TIMESTAMP
    assert refusal(decode, event_bytes(), TIMESTAMP - 300_001) == "timestamp_too_new"


def test_age_limits_are_those_that_are_passed(decode: Decode) -> None:
    limits = AgeLimits(max_age_ms=10, max_ahead_ms=0)
    assert decode(event_bytes(), TIMESTAMP + 10, limits, Anomalies()).timestamp == TIMESTAMP
    for append_time_ms in (TIMESTAMP + 11, TIMESTAMP - 1):
        with pytest.raises(RejectedEvent):
            decode(event_bytes(), append_time_ms, limits, Anomalies())
