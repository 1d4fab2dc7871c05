"""How long until a record is visible in the live figures and stored, at a given rate.

Run on a quiet machine, with a broker and a ClickHouse of the local stack:

    voicemon stack up --ports auto --data DIR
    python -m tests.bench.latency --bootstrap HOST:PORT --clickhouse URL --rate 1000 --seconds 15

Events go out through the publisher; ten probes a second carry an organisation of their own, whose figure is polled
until it moves. Latencies count from the call of `publish`; ClickHouse's from the event's time to `stored_at`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp

from app.publisher import Publisher
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect
from tests.workers import worker_process, worker_settings

TICK_SECONDS = 0.01
PROBE_SECONDS = 0.1
POLL_SECONDS = 0.01
DEADLINE_SECONDS = 10.0


async def keep_rate(publisher: Publisher, rate: float, seconds: float) -> int:
    """Events published, evenly over the time."""
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while sent < passed * rate:
            publisher.publish(
                {"eventType": "claims_extracted", "artifactId": f"art_{sent % 500}", "organizationId": "load"}
            )
            sent += 1
        await asyncio.sleep(TICK_SECONDS)
    return sent


async def probe(publisher: Publisher, session: aiohttp.ClientSession, url: str, number: int) -> float:
    """Seconds from publishing an event until the live figure of its organisation shows it."""
    organization = f"probe-{number}"
    started = time.perf_counter()
    publisher.publish({"eventType": "artifact_received", "artifactId": organization, "organizationId": organization})
    while time.perf_counter() - started < DEADLINE_SECONDS:
        async with session.get(url, params={"organizationId": organization}) as answer:
            if (await answer.json())["last60Minutes"]["artifactsReceived1h"]:
                return time.perf_counter() - started
        await asyncio.sleep(POLL_SECONDS)
    return DEADLINE_SECONDS


async def measure(settings: Settings, rate: float, seconds: float) -> tuple[int, list[float]]:
    """Events published, and the latencies of the probes."""
    publisher = Publisher(settings.kafka.bootstrap, settings.kafka.topic_prefix)
    url = f"http://127.0.0.1:{settings.web.port}/api/v1/metrics/realtime"
    async with aiohttp.ClientSession() as session:
        load = asyncio.create_task(keep_rate(publisher, rate, seconds))
        probes = []
        while not load.done():
            probes.append(asyncio.create_task(probe(publisher, session, url, len(probes))))
            await asyncio.sleep(PROBE_SECONDS)
        found = list(await asyncio.gather(*probes))
    await asyncio.to_thread(publisher.close, 10.0)
    return load.result() + len(found), found


def stored_latencies(settings: Settings, count: int) -> dict[str, float]:
    """Percentiles from event time until `stored_at`, once all rows are there."""
    client = connect(settings.clickhouse)
    deadline = time.monotonic() + DEADLINE_SECONDS
    statement = (
        "SELECT count(), quantilesExact(0.5, 0.95, 0.99, 1)(toUnixTimestamp64Milli(stored_at) - timestamp) FROM events"
    )
    while True:
        [(rows, quantiles)] = client.query(statement).result_rows
        if rows >= count or time.monotonic() > deadline:
            break
        time.sleep(PROBE_SECONDS)
    client.close()
    names = ("p50", "p95", "p99", "max")
    return {"rows": rows, **{name: value / 1000 for name, value in zip(names, quantiles, strict=True)}}


def percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 4) for name, share in shares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--clickhouse", required=True)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args()
    settings = worker_settings(
        asked.bootstrap, ClickHouseSettings(url=asked.clickhouse), f"bench{uuid.uuid4().hex[:8]}_"
    )
    with tempfile.TemporaryDirectory() as folder, worker_process(settings, Path(folder)) as worker:
        asyncio.run(worker.until_ready())
        published, visible = asyncio.run(measure(worker.settings, asked.rate, asked.seconds))
        result = {
            "published": published,
            "probes": len(visible),
            "visible_seconds": percentiles(visible),
            "stored_seconds": stored_latencies(worker.settings, published),
            "exit_code": worker.end(),
        }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
