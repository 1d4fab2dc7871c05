"""Both ways of decoding, as fixtures: every test that uses them runs with each."""

import pytest

from app.domain.events import AgeLimits, Anomalies, PipelineEvent, decode_event, decode_leniently
from tests.factories import APPEND_TIME_MS
from tests.unit.domain.ways_of_decoding import Accept, Decode


@pytest.fixture(params=[decode_event, decode_leniently], ids=["fast", "lenient"])
def decode(request: pytest.FixtureRequest) -> Decode:
    way: Decode = request.param
    return way


@pytest.fixture
def accept(decode: Decode) -> Accept:
    def accepted(value: bytes) -> tuple[PipelineEvent, Anomalies]:
        found = Anomalies()
        event = decode(value, APPEND_TIME_MS, AgeLimits(), found)
        total = found.unusable_values + found.unknown_metadata_keys + found.stage_mismatches + found.bad_durations
        assert found.any_found == bool(total)
        return event, found

    return accepted
