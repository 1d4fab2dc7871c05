"""Following what is stored."""

import time
import uuid

import pytest
from clickhouse_connect.driver.client import Client

from app.queries.new_events import OF_EACH, new_events, stored_offsets

pytestmark = pytest.mark.clickhouse

COLUMNS = [
    "eventId",
    "eventType",
    "timestamp",
    "artifactId",
    "organizationId",
    "source_partition",
    "source_offset",
    "append_time_ms",
]


def put(store: Client, *rows: tuple[str, int, int]) -> None:
    """Rows of organisation, partition and offset; of equal offsets the append time is later."""
    now_ms = time.time_ns() // 1_000_000
    data = [
        [
            str(uuid.uuid4()),
            "artifact_received",
            now_ms,
            f"{partition}.{offset}",
            organization,
            partition,
            offset,
            now_ms + index,
        ]
        for index, (organization, partition, offset) in enumerate(rows)
    ]
    store.insert("events", data, column_names=COLUMNS)


def places(events: list[dict[str, object]]) -> list[object]:
    return [event["artifactId"] for event in events]


def test_each_event_is_new_once_in_every_partition(store: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    put(store, ("a", 0, 0), ("a", 1, 7))
    start = stored_offsets(store, now_ms - 60_000, now_ms + 60_000)
    assert start == {0: 1, 1: 8}
    assert stored_offsets(store, now_ms - 60_000, now_ms - 30_000) == {}
    put(store, ("a", 0, 1), ("b", 2, 0), ("b", 1, 9))
    found = new_events(store, start, now_ms - 60_000, 0)
    assert places(found.events) == ["0.1", "2.0", "1.9"]
    assert found.offsets == {0: 2, 1: 10, 2: 1}
    assert new_events(store, found.offsets, now_ms - 60_000, 0).events == []
    put(store, ("a", 0, 2))
    assert places(new_events(store, found.offsets, now_ms - 60_000, 0).events) == ["0.2"]
    assert new_events(store, {}, now_ms + 60_000, 0).events == []
    assert new_events(store, {}, now_ms - 60_000, now_ms + 60_000).events == []


def test_a_busy_organisation_takes_no_other_ones_place(store: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    put(store, ("quiet", 0, 0), *[("busy", 0, number) for number in range(1, 3 * OF_EACH)])
    found = new_events(store, {}, now_ms - 60_000, 0)
    organizations = [event["organizationId"] for event in found.events]
    assert (organizations.count("quiet"), organizations.count("busy")) == (1, OF_EACH)
    assert places(found.events)[-1] == f"0.{3 * OF_EACH - 1}"
    assert found.offsets == {0: 3 * OF_EACH}
