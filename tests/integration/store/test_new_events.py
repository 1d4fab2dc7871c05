"""Following what becomes visible in the store."""

import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from clickhouse_connect.driver.client import Client

from app.queries.new_events import MOST_MOMENTS, OF_EACH, StoredEvents, stored_events, visible_inserts
from app.runtime.settings import Settings
from app.web.store_watch import LATE_MS, StoreWatch

pytestmark = pytest.mark.clickhouse

Result = TypeVar("Result")


def now() -> int:
    return time.time_ns() // 1_000_000


def put(store: Client, *rows: tuple[str, int, int], stored_ms: int | None = None, **changes: Any) -> None:
    """Rows of organisation, partition and offset, stored together; of equal offsets the append time is later."""
    now_ms = now()
    data = [
        {
            "eventId": str(uuid.uuid4()),
            "eventType": "artifact_received",
            "timestamp": now_ms,
            "artifactId": f"{partition}.{offset}",
            "organizationId": organization,
            "source_partition": partition,
            "source_offset": offset,
            "append_time_ms": now_ms + index,
            "stored_at": stored_ms or now_ms,
            **changes,
        }
        for index, (organization, partition, offset) in enumerate(rows)
    ]
    store.insert("events", [list(row.values()) for row in data], column_names=list(data[0]))


def places(found: StoredEvents | None) -> list[object]:
    assert found is not None
    return [one.event["artifactId"] for one in found.events]


@pytest.fixture
def watch(store: Client, settings: Settings) -> StoreWatch:
    async def ask(question: Callable[[Client], Result]) -> Result:
        return question(store)

    return StoreWatch(ask, settings)


async def test_each_event_is_told_once_and_none_that_was_there_before(store: Client, watch: StoreWatch) -> None:
    put(store, ("a", 0, 0), ("a", 1, 7))
    assert await watch.look(now()) is None
    assert places(await watch.look(now())) == []
    put(store, ("a", 0, 1), ("b", 2, 0), ("b", 1, 9))
    assert places(await watch.look(now())) == ["0.1", "2.0", "1.9"]
    assert places(await watch.look(now())) == []
    put(store, ("a", 0, 2))
    assert places(await watch.look(now())) == ["0.2"]


async def test_an_insert_that_becomes_visible_behind_later_ones_is_told(store: Client, watch: StoreWatch) -> None:
    began_ms = now()
    put(store, ("a", 0, 5), stored_ms=began_ms)
    assert await watch.look(began_ms) is None
    put(store, ("a", 0, 7), stored_ms=began_ms + 1000)
    assert places(await watch.look(began_ms + 1000)) == ["0.7"]
    # Slow inserts: begun before the reader came, between two looks, and one that shows its rows part by part.
    put(store, ("a", 0, 4), stored_ms=began_ms - 20_000)
    put(store, ("a", 0, 6), stored_ms=began_ms + 500)
    put(store, ("a", 0, 8), stored_ms=began_ms + 1000)
    assert places(await watch.look(began_ms + 2000)) == ["0.4", "0.6", "0.8"]
    put(store, ("a", 0, 9), stored_ms=began_ms + 1000)
    assert places(await watch.look(began_ms + 3000)) == ["0.9"]
    assert places(await watch.look(began_ms + LATE_MS)) == []


async def test_copies_and_merges_make_nothing_new(store: Client, watch: StoreWatch) -> None:
    assert await watch.look(now()) is None
    one, stored_ms = str(uuid.uuid4()), now()
    for partition in (0, 1):
        put(store, ("a", partition, 3), stored_ms=stored_ms, eventId=one, timestamp=stored_ms)
    assert places(await watch.look(now())) == ["0.3"]
    store.command("OPTIMIZE TABLE events FINAL")
    assert places(await watch.look(now())) == []


async def test_a_store_that_was_away_loses_nothing_unless_it_was_for_too_long(
    store: Client, settings: Settings
) -> None:
    is_away = False

    async def ask(question: Callable[[Client], Result]) -> Result:
        if is_away:
            raise ConnectionError
        return question(store)

    watch, began_ms = StoreWatch(ask, settings), now()
    assert await watch.look(began_ms) is None
    put(store, ("a", 0, 0))
    is_away = True
    with pytest.raises(ConnectionError):
        await watch.look(began_ms + 1000)
    is_away = False
    assert places(await watch.look(began_ms + watch.longest_pause_ms)) == ["0.0"]
    assert await watch.look(began_ms + 2 * watch.longest_pause_ms + 1) is None


def test_what_was_stored_since_a_time_is_bounded_and_says_so(store: Client) -> None:
    now_ms = now()
    put(store, ("quiet", 0, 0), *[("busy", 0, number) for number in range(1, 3 * OF_EACH)])
    found = stored_events(store, now_ms - 60_000, 0)
    organizations = [one.event["organizationId"] for one in found.events]
    assert (organizations.count("quiet"), organizations.count("busy")) == (1, OF_EACH)
    assert places(found)[-1] == f"0.{3 * OF_EACH - 1}"
    assert [found.are_all_of(scope) for scope in ("quiet", "busy", None)] == [True, False, False]
    assert stored_events(store, now_ms + 60_000, 0).events == []
    assert stored_events(store, now_ms - 60_000, now_ms + 60_000).events == []
    [(partition, stored_ms)] = visible_inserts(store, now_ms - 60_000, 0)
    assert partition == 0
    assert visible_inserts(store, stored_ms + 1, 0) == {}


def test_many_inserts_at_once_fit_into_one_question(store: Client) -> None:
    now_ms = now()
    put(store, ("a", 0, 0), stored_ms=now_ms)
    moments = set(range(now_ms - 3 * MOST_MOMENTS * 1000, now_ms + 1, 1000))
    found = stored_events(store, min(moments), 0, moments)
    assert places(found) == ["0.0"]
    assert found.is_cut, "older moments are left out"
    assert places(stored_events(store, now_ms - 60_000, 0, {now_ms - 1})) == []
