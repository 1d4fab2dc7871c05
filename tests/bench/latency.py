"""How long until a record is visible in the live figures and stored, at a given rate.

Run on a quiet machine, with a broker and a ClickHouse of the local stack:

    voicemon stack up --ports auto --data DIR
    python -m tests.bench.latency --bootstrap HOST:PORT --clickhouse URL --rate 1000 --seconds 15

Events go out through the publisher; ten probes a second carry an organisation of their own. Percentiles are printed of

- `live_seconds`: from the call of `publish` until the live figure of the probe's organisation shows it,
- `row_seconds`: from there until a reader of ClickHouse sees the probe's row, asked for ten times a second,
- `stored_seconds`: from the time of each event, probe or not, until its `stored_at`.
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
PROBES_STORED = "SELECT DISTINCT organizationId FROM events WHERE organizationId IN {waiting:Array(String)}"


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


class Rows:
    """When the rows of probes are seen."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect(settings.clickhouse)
        self._published: dict[str, float] = {}
        self.seconds: list[float] = []

    def expect(self, number: int) -> None:
        """The probe is published now."""
        self._published[f"probe-{number}"] = time.perf_counter()

    async def look(self) -> None:
        """Look for rows until cancelled, or all are there."""
        while True:
            asked = {"waiting": list(self._published)}
            found = await asyncio.to_thread(self._client.query, PROBES_STORED, parameters=asked)
            now = time.perf_counter()
            self.seconds += [now - self._published.pop(name) for (name,) in found.result_rows]
            await asyncio.sleep(PROBE_SECONDS)

    async def end(self, looking: "asyncio.Task[None]") -> None:
        """Wait for the last rows; one that does not come counts with the deadline."""
        deadline = time.perf_counter() + DEADLINE_SECONDS
        while self._published and time.perf_counter() < deadline:  # noqa: ASYNC110  (the other task empties it)
            await asyncio.sleep(PROBE_SECONDS)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        self.seconds += [DEADLINE_SECONDS] * len(self._published)
        self._client.close()


async def measure(settings: Settings, rate: float, seconds: float) -> tuple[int, list[float], list[float]]:
    """Events published, and the latencies of the probes: until counted, until their row is seen."""
    publisher = Publisher(settings.kafka.bootstrap, settings.kafka.topic_prefix)
    url = f"http://127.0.0.1:{settings.web.port}/api/v1/metrics/realtime"
    rows = Rows(settings)
    looking = asyncio.create_task(rows.look())
    async with aiohttp.ClientSession() as session:
        load = asyncio.create_task(keep_rate(publisher, rate, seconds))
        probes: list[asyncio.Task[float]] = []
        while not load.done():
            rows.expect(len(probes))
            probes.append(asyncio.create_task(probe(publisher, session, url, len(probes))))
            await asyncio.sleep(PROBE_SECONDS)
        found = list(await asyncio.gather(*probes))
    await rows.end(looking)
    await asyncio.to_thread(publisher.close, 10.0)
    return load.result() + len(found), found, rows.seconds


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
        published, live, rows = asyncio.run(measure(worker.settings, asked.rate, asked.seconds))
        result = {
            "published": published,
            "rate": round(published / asked.seconds),
            "probes": len(live),
            "live_seconds": percentiles(live),
            "row_seconds": percentiles(rows),
            "stored_seconds": stored_latencies(worker.settings, published),
            "exit_code": worker.end(),
        }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
