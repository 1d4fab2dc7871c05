"""The writer on an engine that is killed and comes back: nothing lost, nothing doubled, order kept."""

import asyncio
import json
import socket
import sys
import time
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from app.domain.events import PipelineEvent
from app.runtime.clock import SystemClock
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.base import RefusedRow, Row, SilentTelemetry
from sinks.clickhouse.client import connect
from sinks.clickhouse.rows import encode_row
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import ClickHouseSink
from sinks.writer import BatchingWriter

pytestmark = [pytest.mark.stack, pytest.mark.clickhouse]

PARTITIONS = 2
RANGES = 30
RANGE_ROWS = 200
DEADLINE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def start(folder: Path, port: int) -> Process:
    command = ("-m", "app.local.clickhouse_server", "--path", str(folder), "--port", str(port), "--die-with-parent")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    assert process.stdout is not None
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), DEADLINE_SECONDS))
    assert ready["port"] == port
    return process


async def kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await asyncio.wait_for(process.wait(), DEADLINE_SECONDS)


def rows(partition: int, first: int, now_ms: int) -> list[Row]:
    return [
        Row(
            offset,
            encode_row(
                PipelineEvent(
                    event_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{partition}/{offset}")),
                    event_type="artifact_received",
                    timestamp=now_ms,
                    artifact_id=f"art_{offset}",
                ),
                partition,
                offset,
                now_ms,
            ),
        )
        for offset in range(first, first + RANGE_ROWS)
    ]


class Pipeline(SilentTelemetry):
    """A writer on ClickHouse, what it is fed and what it confirmed."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.sink = ClickHouseSink(settings)
        self.writer = BatchingWriter(
            self.sink, settings, SystemClock(), self.on_stored, topic="voice-events", telemetry=self
        )
        self.confirmed: list[tuple[int, int]] = []
        self.first_confirmed = asyncio.Event()
        self.blocked = asyncio.Event()
        self.now_ms = time.time_ns() // 1_000_000

    async def on_stored(self, partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        assert not refused
        self.confirmed.append((partition, last_offset))
        self.first_confirmed.set()

    def store_unavailable(self, code: str) -> None:
        self.blocked.set()

    async def add(self, ranges: range) -> None:
        for number in ranges:
            for partition in range(PARTITIONS):
                first = number * RANGE_ROWS
                found = rows(partition, first, self.now_ms)
                self.writer.add(partition, first, first + RANGE_ROWS - 1, found, sum(len(row.line) for row in found))
            # Small inserts in between, as from a real log.
            await asyncio.sleep(0.02)


async def test_a_killed_engine_loses_and_doubles_nothing(tmp_path: Path) -> None:
    port = free_port()
    settings = ClickHouseSettings(url=f"http://127.0.0.1:{port}", batch_seconds=0.2, retry_max_seconds=0.5)
    engine = await start(tmp_path, port)
    await asyncio.to_thread(lambda: migrate(connect(settings), Settings(clickhouse=settings)))
    pipeline = Pipeline(settings)
    running = asyncio.create_task(pipeline.writer.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await pipeline.add(range(10))
            await pipeline.first_confirmed.wait()
            await kill(engine)
            await pipeline.add(range(10, RANGES))
            await pipeline.blocked.wait()
            assert "does not answer" in pipeline.writer.blocked_reason
            engine = await start(tmp_path, port)
            assert await pipeline.writer.drain(DEADLINE_SECONDS)
        found = await asyncio.to_thread(
            lambda: connect(settings).query("SELECT count(), uniqExact(source_partition, source_offset) FROM events")
        )
    finally:
        running.cancel()
        await kill(engine)
        await pipeline.sink.close()
    expected = [number * RANGE_ROWS + RANGE_ROWS - 1 for number in range(RANGES)]
    for partition in range(PARTITIONS):
        assert [last for at, last in pipeline.confirmed if at == partition] == expected
    assert found.result_rows == [(PARTITIONS * RANGES * RANGE_ROWS,) * 2]
    assert not pipeline.writer.is_blocked
    assert pipeline.writer.backlog_bytes == 0
