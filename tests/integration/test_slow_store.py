"""A store that answers late, or never: an outage like any other, after which the rows equal the log."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.audit.report import Report
from app.audit.run import Question, audit
from app.runtime.clock import SystemClock
from app.runtime.settings import MIB, ClickHouseSettings
from tests.integration.exactness import load
from tests.integration.test_stops_and_outages import QUICK_GROUP, metric, until_counted, until_not_ready
from tests.slow_server import Detour, detour
from tests.workers import WorkerProcess, eventually, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

LATE_SECONDS = 3.0
DEADLINE = {"request_timeout_seconds": 1.0, "retry_max_seconds": 0.5}


@asynccontextmanager
async def ready_worker(
    kafka_bootstrap: str, store: ClickHouseSettings, prefix: str, folder: Path
) -> AsyncIterator[WorkerProcess]:
    ingest = {"stale_seconds": 2.0}
    settings = worker_settings(kafka_bootstrap, store, prefix, kafka=QUICK_GROUP, ingest=ingest)
    with worker_process(settings, folder) as worker:
        await worker.until_ready()
        yield worker


async def counted(worker: WorkerProcess) -> int:
    lines = (await asyncio.to_thread(worker.text, "/metrics")).splitlines()
    return int(next(float(line.split()[1]) for line in lines if line.startswith("voicemon_events_accepted_total ")))


async def labelled(worker: WorkerProcess, name: str) -> list[float]:
    """The values of a metric with labels."""
    lines = (await asyncio.to_thread(worker.text, "/metrics")).splitlines()
    return [float(line.split()[1]) for line in lines if line.startswith(f"{name}{{")]


async def until_counted_on(worker: WorkerProcess) -> None:
    """Return once the worker has counted some more."""
    await until_counted(worker, await counted(worker) + 300)


async def until_figures_are_old(worker: WorkerProcess, seconds: float) -> None:
    """Return once nothing has been counted for so long."""

    async def holds() -> bool:
        status, body = await worker.ask("/api/v1/metrics/realtime")
        return status == 200 and time.time() - body["asOf"] / 1000 > seconds

    await eventually(holds, f"figures are {seconds} s old")


async def audited(worker: WorkerProcess) -> Report:
    """The audit once everything is stored."""

    async def is_stored() -> bool:
        lines = (await asyncio.to_thread(worker.text, "/metrics")).splitlines()
        waiting = [
            line for line in lines if line.startswith(("voicemon_lag_records{", "voicemon_uncommitted_records{"))
        ]
        return bool(waiting) and all(float(line.split()[1]) == 0 for line in waiting)

    await eventually(is_stored, "everything is counted and committed")
    question = Question(workers=[f"http://127.0.0.1:{worker.settings.web.port}"])
    return await asyncio.to_thread(audit, worker.settings, question, SystemClock(), lambda text: None)


def become_silent(way: Detour) -> None:
    way.is_silent = True


def become_late(way: Detour) -> None:
    way.answer_seconds = LATE_SECONDS


def recover(way: Detour) -> None:
    way.is_silent, way.answer_seconds = False, 0.0


@pytest.mark.parametrize("goes_wrong", [become_silent, become_late])
async def test_a_store_that_misses_its_deadline_is_an_outage(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path, goes_wrong: object
) -> None:
    async with detour(clickhouse.url) as way:
        store = clickhouse.model_copy(update={"url": way.url, **DEADLINE})
        async with ready_worker(kafka_bootstrap, store, unique_prefix, tmp_path) as worker:
            async with load(worker.settings):
                await until_counted(worker, 200)
                goes_wrong(way)
                await until_not_ready(worker, "ClickHouse did not answer within 1 s")
                await until_counted_on(worker)
                assert float(metric(worker, "voicemon_sink_blocked_seconds")) > 0
                recover(way)
                await worker.until_ready()
            report = await audited(worker)
    assert report.is_clean, report.as_json()["differences"]
    assert report.hours
    assert sum(hour.stored for hour in report.hours) == sum(at.accepted for at in report.partitions) > 500


async def test_a_full_backlog_pauses_partitions_and_kafka_is_not_blamed_for_old_figures(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    async with detour(clickhouse.url) as way:
        store = clickhouse.model_copy(update={"url": way.url, "backlog_bytes": MIB, **DEADLINE})
        async with ready_worker(kafka_bootstrap, store, unique_prefix, tmp_path) as worker:
            async with load(worker.settings):
                await until_counted(worker, 200)
                become_silent(way)
                await until_not_ready(worker, "the backlog of unstored rows is full", "live figures are")
                await until_figures_are_old(worker, 6)
                assert "Kafka" not in " ".join((await worker.ask("/health/ready"))[1]["reasons"])
                assert sum(await labelled(worker, "voicemon_lag_records")) > 1_000, "it grows while nothing is read"
            recover(way)
            await worker.until_ready()
            report = await audited(worker)
    assert report.is_clean, report.as_json()["differences"]


async def test_a_store_that_is_slow_within_its_deadline_stores_on_and_the_worker_says_so(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    async with detour(clickhouse.url) as way:
        store = clickhouse.model_copy(update={"url": way.url, "batch_seconds": 0.5})
        async with ready_worker(kafka_bootstrap, store, unique_prefix, tmp_path) as worker:
            async with load(worker.settings):
                await until_counted(worker, 200)
                become_late(way)
                await until_not_ready(worker, "rows have waited for", "s to be stored")
                await until_counted_on(worker)
                stored = float(metric(worker, "voicemon_rows_stored_total"))
                await eventually(
                    lambda: float(metric(worker, "voicemon_rows_stored_total")) > stored, "rows are stored, slowly"
                )
                assert float(metric(worker, "voicemon_sink_blocked_seconds")) == 0
                recover(way)
                await worker.until_ready()
            report = await audited(worker)
    assert report.is_clean, report.as_json()["differences"]
