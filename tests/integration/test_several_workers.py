"""Several workers share the partitions, and each of them answers for all."""

import asyncio
import json
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.runtime.settings import ClickHouseSettings, Settings
from tests.workers import WorkerProcess, eventually, produce, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(240)]

ROUND = 400
RECEIVED = "artifactsReceived1h"
REALTIME = "/api/v1/metrics/realtime"


async def publish_round(settings: Settings, number: int) -> None:
    """`ROUND` received notes of ten organisations, every tenth sent twice."""
    topic = f"{settings.kafka.topic_prefix}voice-events"
    messages = []
    for index in range(ROUND):
        artifact = f"artifact-{number}-{index}"
        event = {
            "eventId": str(uuid.uuid5(uuid.NAMESPACE_URL, artifact)),
            "eventType": "artifact_received",
            "timestamp": time.time_ns() // 1_000_000,
            "artifactId": artifact,
            "organizationId": f"org-{index % 10}",
        }
        copies = 2 if index % 10 == 0 else 1
        messages += [(artifact.encode(), json.dumps(event).encode(), None)] * copies
    await produce(settings.kafka.bootstrap, topic, messages)


async def received(worker: WorkerProcess) -> int:
    """Received notes of the last 60 minutes, -1 while the worker does not answer."""
    status, body = await worker.ask(REALTIME)
    return body["last60Minutes"][RECEIVED] if status == 200 else -1


async def all_answer(workers: list[WorkerProcess], expected: int) -> None:
    async def holds() -> bool:
        return [await received(worker) for worker in workers] == [expected] * len(workers)

    await eventually(holds, f"{len(workers)} workers answer {expected}")


async def test_growing_and_shrinking_under_load_loses_and_doubles_nothing(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix)
    seen: list[int] = []

    async def watch(worker: WorkerProcess) -> None:
        while True:
            found = await received(worker)
            if found >= 0:
                seen.append(found)
            await asyncio.sleep(0.02)

    with ExitStack() as stack:
        workers = [stack.enter_context(worker_process(settings, tmp_path))]
        await workers[0].until_ready()
        watcher = asyncio.create_task(watch(workers[0]))
        await publish_round(settings, 0)
        workers += [stack.enter_context(worker_process(settings, tmp_path)) for _ in range(2)]
        for number in range(1, 4):
            await publish_round(settings, number)
        for worker in workers:
            await worker.until_ready()
        await all_answer(workers, 4 * ROUND)
        await publish_round(settings, 4)
        assert workers[1].end() == 0
        await publish_round(settings, 5)
        workers[2].process.kill()
        await publish_round(settings, 6)
        await all_answer(workers[:1], 7 * ROUND)
        watcher.cancel()
    assert seen == sorted(seen), "a figure went down because partitions moved"


async def test_a_worker_without_a_partition_still_answers(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 1})
    with worker_process(settings, tmp_path) as first, worker_process(settings, tmp_path) as second:
        await first.until_ready()
        await second.until_ready()
        await publish_round(settings, 0)
        await all_answer([first, second], ROUND)

        async def owned() -> list[int]:
            answers = [(await worker.ask("/tables/"))[1] for worker in (first, second)]
            return sorted(len(answer["tables"][0]["partitions"]) for answer in answers)

        assert await owned() == [0, 1]
