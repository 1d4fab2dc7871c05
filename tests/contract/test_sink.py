"""What every sink promises, on the one in memory and on ClickHouse."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from clickhouse_connect.driver.client import Client

from app.domain.events import Metadata, PipelineEvent
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.base import Batch, Row, Sink
from sinks.clickhouse.client import connect
from sinks.clickhouse.rows import encode_row
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import ClickHouseSink
from sinks.memory import MemorySink

HOUR_MS = 3_600_000
NOW_MS = time.time_ns() // 1_000_000
TOPIC = "voice-events"


def row(offset: int, age_ms: int = 0, partition: int = 0, **fields: object) -> Row:
    event = PipelineEvent(
        event_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{partition}/{offset}")),
        event_type="claims_extracted",
        timestamp=NOW_MS - age_ms,
        artifact_id=f"art_{offset // 7}",
        organization_id=f"org_{offset % 5}",
        pipeline_stage="claims_extraction",
        metadata=Metadata(claim_count=4, ai_model="gpt-4o", ai_cost=0.0042),
        **fields,
    )
    return Row(offset, encode_row(event, partition, offset, NOW_MS))


def broken(offset: int) -> Row:
    good = row(offset)
    return Row(offset, good.line.replace(b'"eventId":"', b'"eventId":"no-uuid-'))


def batch(rows: list[Row], partition: int = 0, first: int | None = None, last: int | None = None) -> Batch:
    return Batch(TOPIC, partition, rows[0].offset if first is None else first, last or rows[-1].offset, rows)


@dataclass
class Store:
    """A sink, how to see what it holds, and how to have it refuse rows."""

    sink: Sink
    offsets: Callable[[], list[int]]
    """Offsets as a reader sees them: each row once."""
    raw_count: Callable[[], int]
    """Rows before anything is collapsed."""
    refuse: Callable[[int], None]
    message: Callable[[int], str]
    """The `errorMessage` stored at an offset."""
    lose_everything: Callable[[], object]
    """Loses all rows, and keeps what the store remembers beside them."""


def memory_store() -> Store:
    sink = MemorySink()
    return Store(
        sink,
        lambda: sorted(offset for _, _, offset in sink.lines),
        lambda: len(sink.lines),
        lambda offset: sink.refusals.update({offset: "Cannot parse UUID"}),
        lambda offset: str(json.loads(sink.lines[(TOPIC, 0, offset)])["errorMessage"]),
        sink.lines.clear,
    )


def clickhouse_store(settings: ClickHouseSettings, client: Client) -> Store:
    events = f"{settings.database}.events"
    return Store(
        ClickHouseSink(settings),
        lambda: [
            offset
            for (offset,) in client.query(
                f"SELECT source_offset FROM {events} FINAL ORDER BY source_offset"
            ).result_rows
        ],
        lambda: int(client.query(f"SELECT count() FROM {events}").result_rows[0][0]),
        lambda _: None,
        lambda offset: str(
            client.query(f"SELECT errorMessage FROM {events} WHERE source_offset = {offset}").result_rows[0][0]
        ),
        lambda: client.command(f"ALTER TABLE {events} DELETE WHERE 1", settings={"mutations_sync": 1}),
    )


@pytest.fixture
def database(clickhouse: ClickHouseSettings, unique_prefix: str) -> ClickHouseSettings:
    settings = clickhouse.model_copy(update={"database": f"{unique_prefix}sink"})
    migrate(connect(settings), Settings(clickhouse=settings))
    return settings


@pytest.fixture(params=["memory", pytest.param("clickhouse", marks=pytest.mark.clickhouse)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        found = memory_store()
    else:
        settings = request.getfixturevalue("database")
        found = clickhouse_store(settings, connect(settings))
    yield found
    await found.sink.close()


async def test_a_written_batch_is_stored(store: Store) -> None:
    await store.sink.check()
    result = await store.sink.write(batch([row(offset) for offset in range(100)]))
    assert (result.stored, result.refused) == (100, [])
    assert store.offsets() == list(range(100))


async def test_a_batch_without_rows_stores_nothing(store: Store) -> None:
    result = await store.sink.write(Batch(TOPIC, 0, 5, 9, []))
    assert (result.stored, result.refused) == (0, [])


async def test_the_same_batch_again_changes_nothing(store: Store) -> None:
    rows = batch([row(offset) for offset in range(100)])
    for _ in range(3):
        assert (await store.sink.write(rows)).stored == 100
    assert store.offsets() == list(range(100))


async def test_a_batch_whose_rows_the_store_has_lost_is_stored_again(store: Store) -> None:
    rows = batch([row(offset) for offset in range(100)])
    await store.sink.write(rows)
    store.lose_everything()
    assert store.raw_count() == 0
    await store.sink.write(rows)
    assert store.offsets() == list(range(100))


async def test_a_row_twice_in_one_batch_is_seen_once(store: Store) -> None:
    await store.sink.write(batch([row(offset) for offset in (0, 0, 1, 2, 1)]))
    assert store.offsets() == [0, 1, 2]


async def test_overlapping_batches_show_each_row_once(store: Store) -> None:
    await store.sink.write(batch([row(offset) for offset in range(60)]))
    await store.sink.write(batch([row(offset) for offset in range(30, 100)]))
    assert store.offsets() == list(range(100))


async def test_other_rows_at_the_same_offsets_are_stored(store: Store) -> None:
    await store.sink.write(batch([row(offset, age_ms=5) for offset in range(5)]))
    other = [Row(offset, row(offset + 100).line) for offset in range(5)]
    await store.sink.write(batch(other))
    assert store.raw_count() in {5, 10}  # the sink in memory keeps one row for each offset
    assert len(store.offsets()) == store.raw_count()


@pytest.mark.parametrize("bad", [{0}, {99}, {50}, {0, 1, 50, 98, 99}, set(range(100))], ids=len)
async def test_only_the_refused_rows_are_returned_and_the_rest_is_stored(store: Store, bad: set[int]) -> None:
    for offset in bad:
        store.refuse(offset)
    rows = [broken(offset) if offset in bad else row(offset) for offset in range(100)]
    if len(bad) == 100:
        rows.append(row(100))
    result = await store.sink.write(batch(rows))
    assert [refused.offset for refused in result.refused] == sorted(bad)
    assert all("Cannot parse" in refused.message for refused in result.refused)
    assert [refused.line for refused in result.refused] == [rows[offset].line for offset in sorted(bad)]
    assert result.stored == len(rows) - len(bad)
    assert store.offsets() == [rows[i].offset for i in range(len(rows)) if i not in bad]


async def test_partitions_can_be_written_at_the_same_time(store: Store) -> None:
    batches = [batch([row(offset, partition=at) for offset in range(50)], partition=at) for at in range(4)]
    results = await asyncio.gather(*(store.sink.write(one) for one in batches))
    assert [result.stored for result in results] == [50] * 4
    assert store.raw_count() == 200


async def test_events_of_more_hours_than_a_block_may_hold_are_stored(store: Store) -> None:
    rows = [row(offset, age_ms=offset * HOUR_MS) for offset in range(110)]
    assert (await store.sink.write(batch(rows))).stored == 110
    assert store.offsets() == list(range(110))


async def test_text_of_any_kind_comes_back_unchanged(store: Store) -> None:
    text = 'quote " backslash \\ newline \n tab \t nul \x00 é 🎤 \u2028 {"eventId":1}'
    await store.sink.write(batch([row(0, error_message=text), row(1)]))
    assert store.message(0) == text
    assert store.offsets() == [0, 1]


async def test_the_largest_record_is_stored(store: Store) -> None:
    assert (await store.sink.write(batch([row(0), row(1, error_message="x" * 15_900_000), row(2)]))).stored == 3
    assert store.offsets() == [0, 1, 2]
