"""Both ways of decoding, as one fixture."""

from collections.abc import Callable

import pytest

from app.domain.events import AgeLimits, Anomalies, PipelineEvent, decode_event, decode_leniently
from tests.factories import APPEND_TIME_MS

Decode = Callable[[bytes], tuple[PipelineEvent, Anomalies]]


@pytest.fixture(params=[decode_event, decode_leniently], ids=["fast", "lenient"])
def decode(request: pytest.FixtureRequest) -> Decode:
    def accept(value: bytes) -> tuple[PipelineEvent, Anomalies]:
        found = Anomalies()
        event = request.param(value, APPEND_TIME_MS, AgeLimits(), found)
        expected = found.unusable_values + found.unknown_metadata_keys + found.stage_mismatches + found.bad_durations
        assert found.any_found == bool(expected)
        return event, found

    return accept
