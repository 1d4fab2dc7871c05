"""Pages of events whose times are equal, as those of a publisher whose clock ticks in seconds."""

from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from app.queries.events import EventsParameters, recent_events
from tests.bench.query_speed import Counted
from tests.integration.store.rows import event_line, insert

pytestmark = pytest.mark.clickhouse
NOW = 1771221600000


def test_no_event_is_left_out_where_a_page_ends_with_the_last_of_many_at_one_time(store: Client) -> None:
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(12)]
    lines = [event_line(number, eventId=id_, timestamp=NOW - 1000 * (number % 2)) for number, id_ in enumerate(ids)]
    for _ in range(2):  # copies besides, until they are merged
        insert(store, lines)
    wanted = [line["eventId"] for line in sorted(lines, key=lambda line: (-line["timestamp"], -line["source_offset"]))]
    for limit in (1, 2):
        found: list[str] = []
        parameters = EventsParameters(limit=limit)
        while True:
            answer = recent_events(store, parameters, NOW)
            found += [event.event_id for event in answer.page]
            if answer.is_done:
                break
            parameters = msgspec.structs.replace(parameters, cursor=answer.continue_cursor)
        assert found == wanted, limit


HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("hours_ago", "statements"),
    [
        # Hardly any in the last hour: all the rest is one more question, however long ago they are.
        ([0.5, 3, 20, 47], 2),
        ([20], 2),
        # Many of them: what is needed lies not much further back.
        ([0.1 + 0.05 * number for number in range(8)] + [2.5, 3], 2),
        ([0.01 * number for number in range(12)], 1),
    ],
)
def test_a_rare_type_is_found_with_two_questions(store: Client, hours_ago: list[float], statements: int) -> None:
    def rare(number: int, time_ms: int) -> dict[str, Any]:
        id_ = f"{number:08d}-0000-4000-8000-000000000000"
        return event_line(number, eventId=id_, eventType="budget_exceeded", artifactId="", timestamp=time_ms)

    times = [NOW - round(hours * HOUR_MS) for hours in hours_ago]
    lines = [rare(number, time_ms) for number, time_ms in enumerate(times)]
    insert(store, [*lines, event_line(100, timestamp=NOW - 1000)])
    counted: Any = Counted(store)
    answer = recent_events(counted, EventsParameters(event_type=("budget_exceeded",), limit=9), NOW)
    assert [event.timestamp for event in answer.page] == sorted(times, reverse=True)[:9]
    assert counted.queries == statements
