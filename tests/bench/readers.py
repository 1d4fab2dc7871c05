"""How fast `/api/v1/metrics/realtime` answers, idle and with many readers while a worker counts.

    python -m tests.bench.readers --readers 100 --rate 20000 --seconds 60

Each reader asks once a second over a kept connection, the readers spread over the second. The log is filled
beforehand, more than the worker counts in that time at the given rate; the worker counts it at its own speed, so
the printed rate is what it reached. The rows are not stored.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaProducer

from app.bench.events import Load, values_of
from app.local.stack import LocalStack
from app.runtime.broker import prepare_topics
from app.runtime.settings import Settings
from app.runtime.topics import Topics
from tests.services import local_settings
from tests.workers import WorkerProcess, worker_process

PARTITIONS, ORGANIZATIONS = 4, 100
TICK_SECONDS = 0.05


async def ask_for(url: str, seconds: float, offset: float) -> list[float]:
    """Milliseconds of each answer, one a second."""
    found = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        started = time.monotonic() + offset
        for number in range(int(seconds)):
            await asyncio.sleep(max(0.0, started + number - time.monotonic()))
            before = time.perf_counter()
            async with session.get(url) as answer:
                await answer.read()
                assert answer.status == 200, await answer.text()
            found.append((time.perf_counter() - before) * 1000)
    return found


async def publish(bootstrap: str, load: Load, rate: int, seconds: float) -> int:
    """Send at a rate, evenly; how many were sent."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", linger_ms=20)
    await producer.start()
    now_ms = time.time_ns() // 1_000_000
    values = [values_of(load, number, now_ms) for number in range(PARTITIONS)]
    started, sent = time.monotonic(), 0
    topic = Topics("").events
    while (passed := time.monotonic() - started) < seconds:
        due = int(passed * rate / PARTITIONS) * PARTITIONS
        while sent < due:
            for partition in range(PARTITIONS):
                batch = producer.create_batch()
                while sent < due and batch.append(key=None, value=next(values[partition]), timestamp=None):
                    sent += 1
                await producer.send_batch(batch, topic, partition=partition)
        await asyncio.sleep(TICK_SECONDS)
    await producer.stop()
    return sent


def told(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "answers": len(ordered),
        "p50": statistics.median(ordered),
        "p99": ordered[int(len(ordered) * 0.99)],
        "max": ordered[-1],
    }


async def measure(worker: WorkerProcess, options: argparse.Namespace) -> dict[str, object]:
    await worker.until_ready()
    url = f"http://127.0.0.1:{worker.settings.web.port}/api/v1/metrics/realtime"
    await ask_for(url, 2, 0)
    idle = await asyncio.gather(*(ask_for(url, 20, number / 10) for number in range(10)))
    load = Load(options.rate * (options.seconds + 10), ORGANIZATIONS, PARTITIONS)
    command = [sys.executable, "-m", "tests.bench.readers", "--publish", worker.settings.kafka.bootstrap]
    command += ["--rate", str(options.rate), "--seconds", str(options.seconds + 5)]
    publishing = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    await asyncio.sleep(3)
    started, before = time.monotonic(), await counted(worker)
    readers = [ask_for(url, options.seconds, number / options.readers) for number in range(options.readers)]
    busy = await asyncio.gather(*readers)
    rate = (await counted(worker) - before) / (time.monotonic() - started)
    await publishing.wait()
    return {
        "idleMs": told([at for times in idle for at in times]),
        "busyMs": told([at for times in busy for at in times]),
        "countedPerSecond": rate,
        "planned": load.events,
    }


async def counted(worker: WorkerProcess) -> float:
    lines = (await asyncio.to_thread(worker.text, "/metrics")).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("voicemon_events_accepted_total"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--publish", metavar="BOOTSTRAP", help="only publish, to this broker")
    options = parser.parse_args()
    if options.publish:
        load = Load(options.rate * (options.seconds + 10), ORGANIZATIONS, PARTITIONS)
        asyncio.run(publish(options.publish, load, options.rate, options.seconds))
        return
    with tempfile.TemporaryDirectory() as folder, LocalStack(local_settings(Path(folder)), ("kafka",)) as stack:
        kafka = {"bootstrap": stack.kafka_bootstrap, "partitions": PARTITIONS}
        settings = Settings.model_validate({"kafka": kafka, "ingest": {"store_rows": False}})
        asyncio.run(prepare_topics(settings.kafka, ()))
        with worker_process(settings, Path(folder)) as worker:
            sys.stdout.write(json.dumps(asyncio.run(measure(worker, options))) + "\n")


if __name__ == "__main__":
    main()
