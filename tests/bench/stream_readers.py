"""What readers of the live stream cost a worker, as a share of one core: that share is gone from its counting.

    python -m tests.bench.stream_readers --readers 200 --seconds 20

A server process holds the counters of 1,000 organisations, counts on, and reads a real ClickHouse into which this
process writes 50 events every second. Readers, also in this process, follow it twice: all of them the whole platform,
then each an organisation of its own. What counts is the processor time of the server with all its threads, less what it
needs without readers: unlike speed, that is the same on a busy machine. A worker that counts as fast as it can uses one
core, because Python runs one thread at a time.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from clickhouse_connect.driver.client import Client

from app.domain.windows import MINUTE_MS
from app.local.stack import LocalStack
from app.runtime.settings import ClickHouseSettings, Settings
from app.web.server import build_web
from sinks.clickhouse.client import DURABLE_INSERT, connect
from sinks.clickhouse.schema import migrate
from tests.services import local_settings
from tests.web_monitor import MadeUpWorker
from tests.workers import environment

ORGANIZATIONS, EVENTS, PARTITIONS = 1_000, 50, 4
COUNT_SECONDS = 0.25
STREAM = "http://localhost/api/v1/stream"


class CountingWorker(MadeUpWorker):
    """A worker by the clock of this machine, whose counters move."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def as_of_ms(self) -> int:
        return self.now_ms()

    def fill(self) -> None:
        """An hour of every organisation."""
        minute = self.now_ms() // MINUTE_MS
        for partition in range(PARTITIONS):
            counts = {
                (f"org_{number}", minute - ago, (index,)): 1
                for number in range(ORGANIZATIONS)
                for ago in range(0, 60, 5)
                for index in range(8)
            }
            self.counters.partition(partition).apply(counts, 1)

    async def count(self) -> None:
        """Some events of some organisations, again and again, for ever."""
        number = 0
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            number += 1
            state = self.counters.partition(number % PARTITIONS)
            changed = range(number % 20, ORGANIZATIONS, 20)
            state.apply({(f"org_{one}", self.now_ms() // MINUTE_MS, (0,)): 1 for one in changed}, state.applied + 1)


async def serve(path: str) -> None:
    """Serve until killed."""
    worker = CountingWorker()
    worker.fill()
    runner = web.AppRunner(build_web(worker, Settings.from_environment()), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await worker.count()


def rows(number: int) -> list[list[Any]]:
    """Events of one second."""
    now_ms = time.time_ns() // 1_000_000
    return [
        [str(uuid.uuid4()), "claims_extracted", now_ms, f"art_{one}", f"org_{one}", one % PARTITIONS,
         number * EVENTS + one, now_ms]
        for one in range(EVENTS)
    ]  # fmt: skip


COLUMNS = ["eventId", "eventType", "timestamp", "artifactId", "organizationId", "source_partition", "source_offset",
           "append_time_ms"]  # fmt: skip


async def write(store: Client) -> None:
    """Events every second, for ever."""
    number = 0
    while True:
        number += 1
        await asyncio.to_thread(store.insert, "events", rows(number), column_names=COLUMNS, settings=DURABLE_INSERT)
        await asyncio.sleep(1)


async def read(session: aiohttp.ClientSession, organization: str | None, until: float) -> int:
    """Messages that came."""
    parameters = {} if organization is None else {"organizationId": organization}
    count = 0
    async with session.get(STREAM, params=parameters) as answer:
        while (left := until - time.monotonic()) > 0:
            try:
                line = await asyncio.wait_for(answer.content.readline(), left)
            except TimeoutError:
                break
            count += line.startswith(b"data:")
    return count


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(pid: int, path: str, scopes: list[str | None], seconds: float) -> dict[str, float]:
    """Share of one core that the server needs while the readers are connected."""
    connector = aiohttp.UnixConnector(path, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        until = time.monotonic() + seconds + 3
        reading = [asyncio.create_task(read(session, scope, until)) for scope in scopes]
        await asyncio.sleep(2)  # connecting is not what is measured
        before, started = cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(seconds)
        share = (cpu_seconds(pid) - before) / (time.monotonic() - started)
        messages = sum(await asyncio.gather(*reading))
    return {"readers": len(scopes), "coreShare": round(share, 4), "messages": messages}


async def compare(pid: int, path: str, store: Client, readers: int, seconds: float) -> dict[str, object]:
    writing = asyncio.create_task(write(store))
    try:
        nobody = await measure(pid, path, [], seconds)
        platform = await measure(pid, path, [None] * readers, seconds)
        organisations = await measure(pid, path, [f"org_{number}" for number in range(readers)], seconds)
    finally:
        writing.cancel()
    cost = {
        name: round(found["coreShare"] - nobody["coreShare"], 4)
        for name, found in (("platform", platform), ("organisations", organisations))
    }
    return {
        "costOfReaders": cost,
        "nobody": nobody,
        "platform": platform,
        "organisations": organisations,
        "load": os.getloadavg()[0],
    }


def run(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """The figures, with a ClickHouse and a server that end with this call."""
    with LocalStack(local_settings(folder), ("clickhouse",)) as stack:
        settings = Settings(clickhouse=ClickHouseSettings(url=stack.clickhouse_url))
        store = connect(settings.clickhouse)
        migrate(store, settings)
        path = str(folder / "web.sock")
        command = [sys.executable, "-m", "tests.bench.stream_readers", "--serve", path]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(settings))
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"serving\n"
            return asyncio.run(compare(server.pid, path, store, options.readers, options.seconds))
        finally:
            server.kill()
            server.wait(10)
            store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--serve", metavar="SOCKET", help="only serve there")
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(run(options, Path(folder))) + "\n")


if __name__ == "__main__":
    main()
