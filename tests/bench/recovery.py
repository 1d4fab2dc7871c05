"""How long a worker needs to be back with a lot of state, and how much memory it holds.

    python -m tests.bench.recovery --ids 2000000 --organizations 1000

Counts a log of three hours, kills the worker, starts it again, and prints: seconds until it answers with the right
figures, and the resident memory before and after. The rows are not stored.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app.bench import events
from app.domain.windows import HOUR_MS
from app.local.stack import LocalStack
from app.runtime.broker import prepare_topics
from app.runtime.settings import Settings
from app.runtime.topics import Topics
from tests.services import local_settings
from tests.workers import WorkerProcess, eventually, worker_process

PARTITIONS = 4
COUNT_SECONDS = 300.0


def resident_mb(worker: WorkerProcess) -> float:
    status = Path(f"/proc/{worker.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


async def figures(worker: WorkerProcess) -> Any:
    """Every counter of every partition, or None while the worker does not answer with them."""
    status, body = await worker.ask("/tables/counters/?detail=partitions")
    return (body["partitions"], body["entries"]) if status == 200 else None


async def count_all(worker: WorkerProcess, expected: int) -> None:
    async def is_done() -> bool:
        if (await worker.ask("/health/live"))[0] != 200:
            return False
        lines = (await asyncio.to_thread(worker.text, "/metrics")).splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("voicemon_remembered_ids")) >= expected

    await eventually(is_done, "everything is counted", COUNT_SECONDS)


async def measure(settings: Settings, folder: Path, load: events.Load) -> dict[str, float]:
    await prepare_topics(settings.kafka, ())
    events.SPAN_MS = 3 * HOUR_MS
    await events.fill_topic(settings.kafka, Topics("").events, load, lambda _: None)
    expected = load.events - load.repeated
    with worker_process(settings, folder) as worker:
        started = time.monotonic()
        await count_all(worker, expected)
        counted = time.monotonic() - started
        peak = resident_mb(worker)
        await worker.until_ready()
        await asyncio.sleep(15)  # a few flushes and commits at rest
        before, steady = await figures(worker), resident_mb(worker)
        worker.process.kill()
        worker.process.wait(10)
    with worker_process(settings, folder) as worker:
        started = time.monotonic()
        wrong = 0
        while True:
            found = await figures(worker)
            if found is not None and found[1] == before[1]:
                break
            wrong += found is not None
            assert time.monotonic() - started < COUNT_SECONDS
        exact = time.monotonic() - started
        await worker.until_ready()
        ready = time.monotonic() - started
        await asyncio.sleep(15)
        after = resident_mb(worker)
    return {
        "countedSeconds": counted, "memoryWhenCountedMb": peak, "steadyMb": steady, "exactSeconds": exact,
        "readySeconds": ready, "wrongAnswers": wrong, "steadyAfterRestartMb": after,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=2_000_000)
    parser.add_argument("--organizations", type=int, default=1_000)
    options = parser.parse_args()
    load = events.Load(options.ids, options.organizations, PARTITIONS)
    with tempfile.TemporaryDirectory() as folder, LocalStack(local_settings(Path(folder)), ("kafka",)) as stack:
        kafka = {"bootstrap": stack.kafka_bootstrap, "partitions": PARTITIONS, "session_timeout_seconds": 3.0}
        settings = Settings.model_validate(
            {"kafka": kafka | {"heartbeat_seconds": 1.0}, "ingest": {"store_rows": False}}
        )
        sys.stdout.write(json.dumps(asyncio.run(measure(settings, Path(folder), load))) + "\n")


if __name__ == "__main__":
    main()
