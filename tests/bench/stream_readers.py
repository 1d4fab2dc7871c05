"""What readers of the live stream cost a worker, as a share of one core: that share is gone from its counting.

    python -m tests.bench.stream_readers --readers 200 --seconds 10

A server process holds the counters of 1,000 organisations and a made-up store with new events every second. Readers
follow it twice: all of them the whole platform, then each an organisation of its own. CPU time says the same on a busy
machine, where speed would not.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from app.domain.windows import MINUTE_MS
from app.runtime.settings import Settings
from app.web.server import build_web
from tests.web_monitor import MadeUpWorker

ORGANIZATIONS, EVENTS, PARTITIONS = 1_000, 50, 4
STREAM = "http://localhost/api/v1/stream"


class BusyStore:
    """A ClickHouse client that has new events at every question."""

    def __init__(self) -> None:
        self.result_rows: list[Any] = []
        self._asked = 0

    def query(self, statement: str, parameters: Mapping[str, Any]) -> "BusyStore":
        self._asked += 1
        return self

    def named_results(self) -> Iterator[dict[str, Any]]:
        for number in range(EVENTS):
            yield {
                "eventId": f"{self._asked:08x}-0000-4000-8000-{number:012x}",
                "eventType": "claims_extracted",
                "timestamp": time.time_ns() // 1_000_000,
                "artifactId": f"art_{number}",
                "organizationId": f"org_{number}",
                "metadata": {"claimCount": 3},
                "source_partition": 0,
                "source_offset": self._asked * EVENTS + number,
            }

    def close(self) -> None:
        return


async def serve(path: str) -> None:
    """Serve until killed."""
    worker = MadeUpWorker(at_ms=time.time_ns() // 1_000_000)
    for partition in range(PARTITIONS):
        state = worker.counters.partition(partition)
        minute = worker.at_ms // MINUTE_MS
        counts = {
            (f"org_{number}", minute - ago, (index,)): 1
            for number in range(ORGANIZATIONS)
            for ago in range(0, 60, 5)
            for index in range(8)
        }
        state.apply(counts, 1)
    store: Any = lambda settings: BusyStore()  # noqa: E731
    runner = web.AppRunner(build_web(worker, Settings.from_environment(), store), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


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


async def compare(pid: int, path: str, readers: int, seconds: float) -> dict[str, object]:
    return {
        "nobody": await measure(pid, path, [], seconds),
        "platform": await measure(pid, path, [None] * readers, seconds),
        "organisations": await measure(pid, path, [f"org_{number}" for number in range(readers)], seconds),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--serve", metavar="SOCKET", help="only serve there")
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "web.sock")
        command = [sys.executable, "-m", "tests.bench.stream_readers", "--serve", path]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"serving\n"
            found = asyncio.run(compare(server.pid, path, options.readers, options.seconds))
            sys.stdout.write(json.dumps(found) + "\n")
        finally:
            server.kill()
            server.wait(10)


if __name__ == "__main__":
    main()
