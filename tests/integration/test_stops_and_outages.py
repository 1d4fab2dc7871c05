"""Workers that are stopped, killed, or left without Kafka or ClickHouse lose nothing and count nothing twice."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.local.ports import free_port
from app.local.stack import LocalStack, Name
from app.runtime.settings import MIB, ClickHouseSettings, Settings
from tests.integration.exactness import (
    assert_commits_are_stored,
    assert_counted,
    assert_exact,
    load,
    truth,
)
from tests.services import local_settings
from tests.workers import WorkerProcess, eventually, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.stack, pytest.mark.timeout(180)]

QUICK_GROUP = {"partitions": 2, "session_timeout_seconds": 6.0, "heartbeat_seconds": 1.0}
STOP_SECONDS = 10.0


@asynccontextmanager
async def service(name: Name, settings: Settings) -> AsyncIterator[None]:
    """A service of the local stack on the ports of the settings, which must be free."""
    stack = LocalStack(settings, (name,), auto_ports=False)
    await asyncio.to_thread(stack.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)


def on_fixed_ports(folder: Path) -> Settings:
    """Settings of a local stack of the test's own that comes and goes."""
    settings = local_settings(folder)
    ports = {"kafka_port": free_port(), "clickhouse_port": free_port()}
    return settings.model_copy(update={"local": settings.local.model_copy(update=ports)})


async def until_counted(worker: WorkerProcess, count: int) -> None:
    """Return once the counters hold so many events or more."""

    async def holds() -> bool:
        assert worker.process.poll() is None, worker.log.read_text()[-3000:]
        status, body = await worker.ask("/tables/counters/?format=json&limit=1000000")
        return status == 200 and count <= sum(
            entry["currentValue"] for entry in body["entries"] if "organizationId" not in entry
        )

    await eventually(holds, f"{count} events are counted")


async def until_not_ready(worker: WorkerProcess, *words: str) -> None:
    """Return once the worker lives, is not ready, and says a reason with these words."""

    async def holds() -> bool:
        assert worker.process.poll() is None, worker.log.read_text()[-3000:]
        status, body = await worker.ask("/health/ready")
        return status == 503 and all(word in " ".join(body["reasons"]) for word in words)

    await eventually(holds, f"the worker is not ready because of {words}")
    assert (await worker.ask("/health/live"))[0] == 200


async def end(worker: WorkerProcess) -> None:
    """SIGTERM; AssertionError unless the worker ends in time and well."""
    started = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    await eventually(lambda: worker.process.poll() is not None, "the worker has ended", STOP_SECONDS)
    seconds = time.monotonic() - started
    assert worker.process.returncode == 0, (seconds, worker.log.read_text()[-3000:])


def killed(worker: WorkerProcess) -> None:
    worker.process.kill()
    worker.process.wait(10)


@pytest.fixture
def settings(kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str) -> Settings:
    return worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka=QUICK_GROUP)


@pytest.mark.parametrize("stopped", ["by SIGTERM", "by SIGKILL"])
async def test_a_worker_stopped_under_load_and_started_again_is_exact(
    settings: Settings, tmp_path: Path, stopped: str
) -> None:
    async with load_after_start(settings, tmp_path) as worker:
        await until_counted(worker, 300)
        if stopped == "by SIGTERM":
            await end(worker)
        else:
            killed(worker)
        told, _ = await truth(settings)
        await assert_commits_are_stored(settings, told)
        with worker_process(settings, tmp_path) as again:
            await again.until_ready()
            await until_counted(again, 1_000)
            await end(again)
    with worker_process(settings, tmp_path) as last:
        await last.until_ready()
        assert await assert_exact(last) > 1_000
        await end(last)


@asynccontextmanager
async def load_after_start(settings: Settings, folder: Path) -> AsyncIterator[WorkerProcess]:
    """A ready worker, and a load that outlives it."""
    with worker_process(settings, folder) as worker:
        await worker.until_ready()
        async with load(settings):
            yield worker


async def test_clickhouse_that_comes_late_and_goes_away_loses_nothing(
    kafka_bootstrap: str, unique_prefix: str, tmp_path: Path
) -> None:
    local = on_fixed_ports(tmp_path)
    clickhouse = ClickHouseSettings(url=f"http://127.0.0.1:{local.local.clickhouse_port}", backlog_bytes=MIB)
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka=QUICK_GROUP)
    with worker_process(settings, tmp_path) as worker:
        await until_not_ready(worker, "ClickHouse", clickhouse.url)
        await eventually_live(worker)
        async with load(settings):
            await until_counted(worker, 200)
            await end(worker)
    with worker_process(settings, tmp_path) as worker:
        await eventually_live(worker)
        await assert_counted(worker, (await truth(settings))[0])
        async with service("clickhouse", local):
            await worker.until_ready()
            await assert_exact(worker)
            stored, _ = await truth(settings)
        async with load(settings, seed=2):
            await until_not_ready(worker, "ClickHouse", "the backlog of unstored rows is full")
            with worker_process(settings, tmp_path) as other:
                await until_shared(worker, other)
                await until_not_ready(other, "ClickHouse", "the backlog of unstored rows is full")
                assert float(metric(other, "voicemon_sink_blocked_seconds")) > 0, "it has known no other time"
                await end(worker)
                await end(other)
    async with service("clickhouse", local):
        told, _ = await truth(settings)
        assert len(told.accepted) > len(stored.accepted)
        await assert_commits_are_stored(settings, told)
        with worker_process(settings, tmp_path) as worker:
            await worker.until_ready()
            await assert_exact(worker)
            await end(worker)


async def until_shared(*workers: WorkerProcess) -> None:
    """Return once each of the workers owns a partition."""

    async def owned() -> bool:
        answers = [(await worker.ask("/tables/"))[1] for worker in workers]
        return all(answer and answer["tables"] and answer["tables"][0]["partitions"] for answer in answers)

    await eventually(owned, "each worker owns a partition")


def metric(worker: WorkerProcess, name: str) -> str:
    """The value of a metric without labels."""
    [value] = [line.split()[1] for line in worker.text("/metrics").splitlines() if line.startswith(f"{name} ")]
    return value


async def test_a_worker_ends_in_time_although_clickhouse_hangs(
    kafka_bootstrap: str, unique_prefix: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never answers
        clickhouse = ClickHouseSettings(url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka=QUICK_GROUP)
        with worker_process(settings, tmp_path) as worker:
            await eventually_live(worker)
            async with load(settings):
                await until_counted(worker, 100)
                await until_not_ready(worker, "ClickHouse")
                await end(worker)


async def eventually_live(worker: WorkerProcess) -> None:
    """Return once live figures are given, whatever else is missing."""

    async def holds() -> bool:
        return (await worker.ask("/api/v1/metrics/realtime"))[0] == 200

    await eventually(holds, "live figures are complete")


async def test_kafka_that_comes_late_and_goes_away_loses_nothing(
    clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    local = on_fixed_ports(tmp_path)
    bootstrap = f"127.0.0.1:{local.local.kafka_port}"
    settings = worker_settings(bootstrap, clickhouse, unique_prefix, kafka=QUICK_GROUP, ingest={"stale_seconds": 3.0})
    with worker_process(settings, tmp_path) as worker:
        await until_not_ready(worker, "Kafka", bootstrap)
        assert (await worker.ask("/api/v1/metrics/realtime"))[0] == 503
        async with service("kafka", local):
            await worker.until_ready()
            async with load(settings):
                await until_counted(worker, 300)
        await until_not_ready(worker, "Kafka has not answered for")
        async with service("kafka", local):
            await worker.until_ready()
            async with load(settings, seed=2):
                told, _ = await truth(settings)
                await until_counted(worker, len(told.accepted))
        await end(worker)
    with worker_process(settings, tmp_path) as worker:
        await until_not_ready(worker, "Kafka", bootstrap)
        await end(worker)
    async with service("kafka", local):
        with worker_process(settings, tmp_path) as worker:
            await worker.until_ready()
            await assert_exact(worker)
            await end(worker)
