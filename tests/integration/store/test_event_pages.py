"""Pages of events whose times are equal, as those of a publisher whose clock ticks in seconds."""

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from app.queries.events import EventsParameters, recent_events
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
