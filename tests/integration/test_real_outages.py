"""What a real engine answers when it cannot take rows: each time an outage, and afterwards every row is there once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs

from app.runtime.clock import SystemClock
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.base import Batch, RefusedRow, SilentTelemetry, WriteResult
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import ClickHouseSink
from sinks.writer import BatchingWriter
from tests.integration.test_sink_outage import RANGE_ROWS, rows
from tests.workers import eventually

pytestmark = pytest.mark.clickhouse

DEADLINE_SECONDS = 60


@dataclass
class Way:
    """The way to the store, which another user's may replace."""

    sink: ClickHouseSink

    async def write(self, batch: Batch) -> WriteResult:
        return await self.sink.write(batch)

    async def check(self) -> None:
        await self.sink.check()

    async def close(self) -> None:
        await self.sink.close()


@dataclass
class Pipeline(SilentTelemetry):
    """A writer on a store, with what went wrong and what was confirmed."""

    settings: ClickHouseSettings
    client: Client
    now_ms: int = field(default_factory=SystemClock().now_ms)
    codes: list[str] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = Way(ClickHouseSink(self.settings))
        self.writer = BatchingWriter(
            self.path, self.settings, SystemClock(), self.on_stored, topic="voice-events", telemetry=self
        )

    async def on_stored(self, partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        assert not refused
        self.confirmed.append(last_offset)

    def store_unavailable(self, code: str) -> None:
        self.codes.append(code)

    def add(self, first: int) -> None:
        found = rows(0, first, self.now_ms)
        self.writer.add(0, first, first + RANGE_ROWS - 1, found, sum(len(row.line) for row in found))

    async def command(self, statement: str) -> None:
        await asyncio.to_thread(self.client.command, statement)


Cause = Callable[[Pipeline], Awaitable[Callable[[], Awaitable[None]]]]
"""Brings the store into a state and gives what ends it."""


async def _table_setting(pipeline: Pipeline, name: str, value: str) -> Callable[[], Awaitable[None]]:
    await pipeline.command(f"ALTER TABLE events MODIFY SETTING {name} = {value}")
    return lambda: pipeline.command(f"ALTER TABLE events RESET SETTING {name}")


async def disk_is_full(pipeline: Pipeline) -> Callable[[], Awaitable[None]]:
    return await _table_setting(pipeline, "min_free_disk_bytes_to_perform_insert", "1000000000000000000")


async def too_many_parts(pipeline: Pipeline) -> Callable[[], Awaitable[None]]:
    return await _table_setting(pipeline, "parts_to_throw_insert", "1")


async def out_of_memory(pipeline: Pipeline) -> Callable[[], Awaitable[None]]:
    sink = pipeline.path.sink
    usual = sink._insert_settings
    sink._insert_settings = usual | {"max_memory_usage": "1000"}

    async def end() -> None:
        sink._insert_settings = usual

    return end


async def read_only(pipeline: Pipeline) -> Callable[[], Awaitable[None]]:
    settings, writer = pipeline.settings, pipeline.path.sink
    reader = settings.model_copy(
        update={"user": settings.readonly_user, "password": settings.readonly_password, "password_file": None}
    )
    try:
        (await asyncio.to_thread(connect, reader)).close()
    except SinkUnavailable:  # a server that has no such user yet
        secret = reader.password.get_secret_value()
        await pipeline.command(f"CREATE USER {reader.user} IDENTIFIED BY '{secret}' SETTINGS readonly = 1")
        await pipeline.command(f"GRANT ALL ON {settings.database}.* TO {reader.user}")
    pipeline.path.sink = other = ClickHouseSink(reader)

    async def end() -> None:
        pipeline.path.sink = writer
        await other.close()

    return end


async def password_changed(pipeline: Pipeline) -> Callable[[], Awaitable[None]]:
    file = pipeline.settings.password_file
    assert file is not None
    right = file.read_text()
    file.write_text("another one")
    before, pipeline.path.sink = pipeline.path.sink, ClickHouseSink(pipeline.settings)
    await before.close()

    async def end() -> None:
        file.write_text(right)

    return end


CAUSES: dict[str, Cause] = {
    "243": disk_is_full,
    "252": too_many_parts,
    "241": out_of_memory,
    "164": read_only,
    "516": password_changed,
}


@asynccontextmanager
async def running(settings: ClickHouseSettings) -> AsyncIterator[Pipeline]:
    client = connect(settings)
    await asyncio.to_thread(migrate, client, Settings(clickhouse=settings))
    pipeline = Pipeline(settings, client)
    task = asyncio.create_task(pipeline.writer.run())
    try:
        yield pipeline
        assert not task.done(), "no cause ends the writer"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pipeline.path.close()
        client.close()


async def test_no_answer_of_the_engine_loses_or_doubles_a_row(
    clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(clickhouse.password.get_secret_value())
    settings = clickhouse.model_copy(
        update={"database": f"{unique_prefix}sink", "password_file": password, "retry_max_seconds": 0.5}
    )
    async with running(settings) as pipeline:
        pipeline.add(0)
        assert await pipeline.writer.drain(DEADLINE_SECONDS)
        first = RANGE_ROWS
        for code, cause in CAUSES.items():
            pipeline.codes.clear()
            with capture_logs() as lines:
                end = await cause(pipeline)
                pipeline.add(first)
                await eventually(lambda: len(pipeline.codes) > 1, f"the store answers {code}, also again")
                assert set(pipeline.codes) == {code}
                assert pipeline.confirmed[-1] == first - 1
                assert (
                    f"(code {code})" in pipeline.writer.blocked_reason
                    or "refuses user" in pipeline.writer.blocked_reason
                )
                pipeline.add(first + RANGE_ROWS)
                await end()
                assert await pipeline.writer.drain(DEADLINE_SECONDS), code
            told = [line["log_level"] for line in lines if line.get("code") == code]
            assert told == ["error" if code == "516" else "warning"]
            assert not pipeline.writer.is_blocked
            first += 2 * RANGE_ROWS
        found = await asyncio.to_thread(
            pipeline.client.query, "SELECT count(), uniqExact(source_offset), max(source_offset) FROM events"
        )
    assert found.result_rows == [(first, first, first - 1)]
    assert pipeline.confirmed == list(range(RANGE_ROWS - 1, first, RANGE_ROWS))
