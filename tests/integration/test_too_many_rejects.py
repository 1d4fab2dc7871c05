"""A topic full of broken records is not emptied into the dead-letter topic."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.commands import register
from app.runtime.broker import prepare_topics
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.topics import Topics
from app.worker import Worker
from tests.integration.records import Outgoing, encoded, send
from tests.workers import WorkerProcess, eventually, read_topic, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

GOOD, BAD = 4, 30


@pytest.fixture
async def settings(kafka_bootstrap: str, unique_prefix: str) -> Settings:
    """A worker's settings, with broken records between good ones in its log."""
    ingest = {"rejects_in_a_row": 10, "store_rows": False, "watchdog_seconds": 1.0, "stale_seconds": 600.0}
    found = worker_settings(
        kafka_bootstrap, ClickHouseSettings(), unique_prefix, ingest=ingest, kafka={"partitions": 1}
    )
    await prepare_topics(found.kafka, ())
    first, last = ([Outgoing(encoded("org_1")) for _ in range(GOOD)] for _ in range(2))
    await send(found, [*first, *[Outgoing(b"broken")] * BAD, *last])
    return found


async def letters(settings: Settings) -> list[int]:
    found = await read_topic(settings.kafka.bootstrap, Topics(settings.kafka.topic_prefix).dead_letters)
    return sorted(int(dict(record.headers)["source-offset"]) for record in found)


async def received(worker: WorkerProcess) -> int:
    status, figures = await worker.ask("/api/v1/metrics/realtime")
    return int(figures["last60Minutes"]["artifactsReceived1h"]) if status == 200 else -1


async def until_paused(worker: WorkerProcess) -> None:
    async def is_paused() -> bool:
        status, answer = await worker.ask("/health/ready")
        return status == 503 and any("30 records of partition 0 in a row" in text for text in answer["reasons"])

    await eventually(is_paused, "the worker has paused")


async def test_too_many_rejects_pause_the_worker_until_an_operator_resumes(settings: Settings, tmp_path: Path) -> None:
    register(app)
    with worker_process(settings, tmp_path) as worker:
        await until_paused(worker)
        assert await letters(settings) == []
        assert worker.end() == 0, "a paused worker stops in time"
    with worker_process(settings, tmp_path) as worker:
        await until_paused(worker)
        assert "voicemon_paused_for_rejects 1.0" in worker.text("/metrics")
        url = f"http://127.0.0.1:{worker.settings.web.port}"
        done = await asyncio.to_thread(CliRunner().invoke, app, ["resume", "--url", url])
        assert (done.exit_code, done.stdout) == (0, "The worker goes on.\n")
        await eventually(
            lambda: _equals(letters(settings), list(range(GOOD, GOOD + BAD))), "each is a dead letter once"
        )
        await eventually(lambda: _equals(received(worker), 2 * GOOD), "all events are counted")
        assert worker.process.poll() is None, "the watchdog does not take a pause for a standstill"
        done = await asyncio.to_thread(CliRunner().invoke, app, ["resume", "--url", url, "--json"])
        assert '"resumed": false' in done.stdout
        assert "voicemon_paused_for_rejects 0.0" in worker.text("/metrics")


async def _equals(found: object, wanted: object) -> bool:
    return await found == wanted  # type: ignore[misc]


async def test_a_worker_that_accepts_rejects_never_pauses(settings: Settings) -> None:
    ingest = settings.ingest.model_copy(update={"accept_rejects": True})
    worker, stop = Worker(settings.model_copy(update={"ingest": ingest})), asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        await eventually(lambda: _equals(letters(settings), list(range(GOOD, GOOD + BAD))), "all are dead letters")
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)
