"""What tests ask of a way of decoding."""

from collections.abc import Callable

import pytest

from app.domain.events import AgeLimits, Anomalies, PipelineEvent
from app.domain.rejects import MAX_DETAIL_CHARS, RejectedEvent
from tests.factories import APPEND_TIME_MS, event_bytes

Accept = Callable[[bytes], tuple[PipelineEvent, Anomalies]]
Decode = Callable[[bytes | None, int, AgeLimits, Anomalies], PipelineEvent]


def refusal(decode: Decode, value: bytes | None, append_time_ms: int = APPEND_TIME_MS) -> str:
    anomalies = Anomalies()
    with pytest.raises(RejectedEvent) as caught:
        decode(value, append_time_ms, AgeLimits(), anomalies)
    assert anomalies == Anomalies()
    assert 0 < len(caught.value.detail) <= MAX_DETAIL_CHARS
    return caught.value.reason.value


def with_raw(name: str, text: str) -> bytes:
    return event_bytes(**{name: "PUT HERE"}).replace(b'"PUT HERE"', text.encode())
