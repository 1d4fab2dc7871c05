"""Times in the parameters of questions."""

import pytest

from app.queries.artifacts import FailedParameters
from app.queries.events import EventsParameters
from app.queries.parameters import parse_values

MIDNIGHT = 1771113600000


@pytest.mark.parametrize(
    ("text", "start_ms", "end_ms"),
    [
        ("2026-02-15", MIDNIGHT, MIDNIGHT),
        ("2026-02-15T01:00+01:00", MIDNIGHT, MIDNIGHT),
        ("2026-02-15T01:00 01:00", MIDNIGHT, MIDNIGHT),
        ("2026-02-14T19:00:00.000-05:00", MIDNIGHT, MIDNIGHT),
        # An end of the day as many write it: what happened at midnight is later.
        ("2026-02-14T23:59:59.999999Z", MIDNIGHT, MIDNIGHT - 1),
        ("2026-02-15T00:00:00.000001Z", MIDNIGHT + 1, MIDNIGHT),
        ("2026-02-15T00:00:00.001Z", MIDNIGHT + 1, MIDNIGHT + 1),
        ("2026-02-15T00:00:00.0005Z", MIDNIGHT + 1, MIDNIGHT),
        ("1771113600001", MIDNIGHT + 1, MIDNIGHT + 1),
    ],
)
def test_a_time_between_two_milliseconds_takes_in_no_more_than_it_says(text: str, start_ms: int, end_ms: int) -> None:
    assert parse_values(EventsParameters, {"startTime": [text]}).start_time == start_ms
    assert parse_values(EventsParameters, {"endTime": [text]}).end_time == end_ms
    assert parse_values(FailedParameters, {"sinceTimestamp": [text]}).since_timestamp == start_ms
