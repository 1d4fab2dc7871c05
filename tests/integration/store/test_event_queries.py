"""Lists of events over the sample log, against its expected results."""

import uuid
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from app.domain.recount import recount
from app.queries.errors import InvalidParameter
from app.queries.events import EVENTS, ErrorsParameters, EventsParameters, recent_errors, recent_events
from app.queries.parameters import parse_values
from app.queries.timeline import ArtifactParameters, retries, timeline
from tests.integration.store.rows import event_line, insert, line_of
from tests.sample_log import read_expected, read_log

pytestmark = pytest.mark.clickhouse
NOW = 1771221600000


@pytest.fixture
def sample(store: Client) -> list[dict[str, Any]]:
    """Accepted events of the sample, stored twice, as after a crash."""
    lines = [line_of(accepted) for accepted in recount(read_log("events.ndjson")).accepted]
    for half in (lines, lines[:500]):
        insert(store, half)
    return lines


def newest_first(lines: list[dict[str, Any]]) -> list[str]:
    ordered = sorted(lines, key=lambda line: (line["timestamp"], line["eventId"]), reverse=True)
    return [line["eventId"] for line in ordered]


def all_pages(client: Client, **filters: Any) -> list[str]:
    found: list[str] = []
    parameters = EventsParameters(limit=500, **filters)
    while True:
        answer = recent_events(client, parameters, NOW)
        found += [event.event_id for event in answer.page]
        if answer.is_done:
            assert answer.continue_cursor == ""
            return found
        parameters = msgspec.structs.replace(parameters, cursor=answer.continue_cursor)


def test_lists_of_events_equal_the_log(store: Client, sample: list[dict[str, Any]]) -> None:
    assert all_pages(store) == newest_first(sample)
    own = [
        line for line in sample if line.get("organizationId") == "org_001" and line["eventType"] == "drafts_generated"
    ]
    assert own
    assert all_pages(store, organization_id="org_001", event_type=("drafts_generated",)) == newest_first(own)
    some = [line for line in sample if 1771150000000 <= line["timestamp"] <= 1771160000000]
    assert all_pages(store, start_time=1771150000000, end_time=1771160000000) == newest_first(some)

    errors = msgspec.to_builtins(recent_errors(store, ErrorsParameters(), NOW).events)
    wanted = read_expected("expected.json")["recentErrors"]
    assert [event["eventId"] for event in errors] == [event["eventId"] for event in wanted]
    # The expected rows leave out some fields.
    assert all(row.items() <= event.items() for row, event in zip(wanted, errors, strict=True))

    ids = sorted({line["artifactId"] for line in sample if "artifactId" in line})
    odd = [name for name in ids if not name.isascii() or not name.isprintable()]
    for artifact_id in [*odd[:4], *ids[:3]]:
        mine = [line for line in sample if line.get("artifactId") == artifact_id]
        mine.sort(key=lambda line: (line["timestamp"], line["eventId"]))
        shown = timeline(store, ArtifactParameters(artifact_id=artifact_id), NOW).events
        assert [event.event_id for event in shown] == [line["eventId"] for line in mine]
        steps = retries(store, ArtifactParameters(artifact_id=artifact_id), NOW).retries
        assert len(steps) == sum(line["eventType"].startswith("retry_") for line in mine)
    assert timeline(store, ArtifactParameters(artifact_id="nobody"), NOW).events == []

    first = recent_events(store, EventsParameters(limit=1), NOW)
    with pytest.raises(InvalidParameter, match="other filters"):
        parse_values(EVENTS.parameters, {"cursor": [first.continue_cursor], "organizationId": ["org_001"]})


def test_a_page_is_full_where_an_event_has_more_copies_than_it_has_rows(store: Client) -> None:
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(6)]
    lines = [event_line(number, eventId=id_, timestamp=NOW - 1000 * (number // 2)) for number, id_ in enumerate(ids)]
    # Copies with another organisation have a row each, whatever is merged; the first in the log has none.
    for copy in range(8):
        more = {"organizationId": f"org_{copy}"} if copy else {}
        insert(store, [line | more | {"source_offset": 100 * copy + line["source_offset"]} for line in lines])
    found: list[str] = []
    parameters = EventsParameters(limit=1)
    while True:
        answer = recent_events(store, parameters, NOW)
        [event] = answer.page
        assert event.organization_id is msgspec.UNSET
        found.append(event.event_id)
        if answer.is_done:
            break
        parameters = msgspec.structs.replace(parameters, cursor=answer.continue_cursor)
    assert found == newest_first(lines)


def test_a_timeline_of_more_events_than_an_artifact_has_is_cut_and_says_so(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queries.timeline.MOST_EVENTS", 3)
    own, tried = ArtifactParameters(artifact_id="art_1"), "retry_initiated"
    for count, is_cut in ((3, False), (4, True)):
        lines = [
            event_line(number, eventId=str(uuid.UUID(int=number)), timestamp=NOW - 10 + number, eventType=tried)
            for number in range(count)
        ]
        insert(store, lines)
        shown, steps = timeline(store, own, NOW), retries(store, own, NOW)
        assert [event.timestamp for event in shown.events] == [NOW - 10, NOW - 9, NOW - 8]
        assert [step.timestamp for step in steps.retries] == [NOW - 10, NOW - 9, NOW - 8]
        assert (shown.truncated, steps.truncated) == (is_cut, is_cut)
