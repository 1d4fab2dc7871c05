"""Counting does not depend on order or repetition."""

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.counters import COUNTERS_OF_TYPE
from app.domain.event_types import EVENT_TYPES
from app.domain.recount import LogRecord, hourly_counters, recount, trailing_counters
from app.domain.windows import HOUR_MS
from tests.factories import TIMESTAMP

APPEND_TIME_MS = TIMESTAMP + 6 * HOUR_MS

events = st.fixed_dictionaries(
    {
        "eventId": st.uuids(version=4).map(str),
        "eventType": st.sampled_from(EVENT_TYPES),
        "timestamp": st.integers(TIMESTAMP, APPEND_TIME_MS),
    },
    optional={"organizationId": st.sampled_from(["a", "b", "", None]), "metadata": st.sampled_from([{"x": 1}, {}])},
)
logs = st.lists(events, max_size=30, unique_by=lambda event: event["eventId"])


def _records(members: list[dict[str, Any]]) -> list[LogRecord]:
    return [
        LogRecord(0, offset, APPEND_TIME_MS, None, json.dumps(event).encode()) for offset, event in enumerate(members)
    ]


@settings(max_examples=60, deadline=None)
@given(logs, st.data())
def test_any_order_and_any_repetition_give_the_same_counters(log: list[dict[str, Any]], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(log), max_size=20)) if log else []
    shuffled = data.draw(st.permutations(log + again))
    once, repeated = recount(_records(log)), recount(_records(shuffled))
    assert hourly_counters(once.events) == hourly_counters(repeated.events)
    assert once.anomalies == repeated.anomalies
    assert len(repeated.duplicates) == len(again)


@settings(max_examples=60, deadline=None)
@given(logs)
def test_the_platform_is_the_sum_of_the_organisations_and_of_events_without_one(log: list[dict[str, Any]]) -> None:
    accepted = recount(_records(log)).events
    counters = hourly_counters(accepted)
    without = hourly_counters(event for event in accepted if event.organization_id is None)
    sums: Counter[tuple[int, int]] = Counter()
    for (scope, hour), values in counters.items():
        parts = values if scope is not None else without.get((None, hour), [0] * 8)
        sums.update({(hour, position): value for position, value in enumerate(parts)})
    platform = {
        (hour, position): value
        for (scope, hour), values in counters.items()
        if scope is None
        for position, value in enumerate(values)
    }
    assert +sums == +Counter(platform)


@settings(max_examples=60, deadline=None)
@given(logs)
def test_each_event_is_in_exactly_one_hour(log: list[dict[str, Any]]) -> None:
    accepted = recount(_records(log)).events
    total = sum(sum(values) for (scope, _), values in hourly_counters(accepted).items() if scope is None)
    assert total == sum(len(COUNTERS_OF_TYPE[event.event_type]) for event in accepted)


@settings(max_examples=60, deadline=None)
@given(logs)
def test_the_trailing_hour_at_the_end_of_an_hour_is_that_hour(log: list[dict[str, Any]]) -> None:
    accepted = recount(_records(log)).events
    for (scope, start), values in hourly_counters(accepted).items():
        assert trailing_counters(accepted, start + HOUR_MS - 1)[scope] == values
