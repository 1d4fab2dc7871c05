"""What more workers and more stored rows cost: the measured points of docs/scaling.md.

    python -m tests.bench.scaling workers --events 600000 --organizations 100
    python -m tests.bench.scaling disk --folder /tmp/history

`workers` lets 1, 2 and 3 workers of one group read the same log of six partitions into ClickHouse and prints a line of
JSON for each: events stored a second between a fifth and nine tenths of the log, processor time of an event in the
workers, and in workers, Kafka and ClickHouse together, both without the start of the workers, and the greatest resident
memory of a worker. `disk` prints a line with the
stored events and the bytes of the tables of a store that `python -m tests.bench.query_speed` has filled.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from clickhouse_connect.driver.client import Client

from app.bench.events import Load
from app.bench.run import filled, own_services
from app.local.stack import LocalStack
from app.runtime.log_position import group_lag
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect
from tests.bench.processor import TICKS_A_SECOND, processor_seconds
from tests.services import local_settings
from tests.workers import WorkerProcess, worker_process, worker_settings

PARTITIONS = 6
BEGIN, END = 0.2, 0.9
LOOK_SECONDS = 0.2
LONGEST_SECONDS = 900.0
TABLES = """
SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts
WHERE active AND database = currentDatabase() GROUP BY table ORDER BY sum(bytes_on_disk) DESC"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    workers = commands.add_parser("workers")
    workers.add_argument("--events", type=int, default=600_000)
    workers.add_argument("--organizations", type=int, default=100)
    workers.add_argument("--most", type=int, default=3, help="workers of the last line")
    disk = commands.add_parser("disk")
    disk.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    if options.command == "disk":
        show_disk(options.folder)
    else:
        show_workers(options)


def show_workers(options: argparse.Namespace) -> None:
    """A line for each number of workers."""
    load = Load(options.events, options.organizations, PARTITIONS)
    with own_services(Settings.from_environment(), ("kafka", "clickhouse"), note) as services:
        start_seconds = asyncio.run(start_cost(services))
        for count in range(1, options.most + 1):
            prefix = f"scaling{count}_"
            filled(services, prefix, load, note)
            show(asyncio.run(measured(services, prefix, count, start_seconds)))


async def measured(services: Settings, prefix: str, count: int, start_seconds: float) -> dict[str, float]:
    """Figures of so many workers on the log of the prefix; each has used `start_seconds` before its first event."""
    settings = settings_of(services, prefix)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        before = processor_seconds()
        workers = [stack.enter_context(worker_process(settings, Path(folder))) for _ in range(count)]
        begun, first = await committed_at(settings, workers, BEGIN)
        ended, last = await committed_at(settings, workers, END)
        _, events = await committed_at(settings, workers, 1.0)
        if last == first:
            raise SystemExit("the log was read between two commits: take more --events")
        own = sum(own_seconds(worker.process.pid) for worker in workers)
        return {
            "workers": count,
            "eventsPerSecond": round((last - first) / (ended - begun)),
            "workerUs": round((own - count * start_seconds) / events * 1e6, 2),
            "allUs": round((processor_seconds() - before - count * start_seconds) / events * 1e6, 2),
            "workerPeakBytes": max(resident_bytes(worker.process.pid) for worker in workers),
        }


async def start_cost(services: Settings) -> float:
    """Processor seconds of a worker until it is ready, on an empty log."""
    with (
        tempfile.TemporaryDirectory() as folder,
        worker_process(settings_of(services, "start_"), Path(folder)) as worker,
    ):
        await worker.until_ready()
        return own_seconds(worker.process.pid)


def settings_of(services: Settings, prefix: str) -> Settings:
    kafka = {"partitions": PARTITIONS}
    return worker_settings(services.kafka.bootstrap, services.clickhouse, prefix, kafka=kafka)


async def committed_at(settings: Settings, workers: list[WorkerProcess], share: float) -> tuple[float, int]:
    """The clock, and events committed, once this share of the log is."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        for worker in workers:
            if worker.process.poll() is not None:
                raise SystemExit(f"a worker has ended:\n{worker.log.read_text()[-2000:]}")
        lag = (await group_lag(settings.kafka)).values()
        committed, end = sum(at for at, _ in lag), sum(end for _, end in lag)
        if end and committed >= share * end:
            return time.monotonic(), committed
        await asyncio.sleep(LOOK_SECONDS)
    raise SystemExit(f"not {share:.0%} of the log within {LONGEST_SECONDS:.0f} s")


def own_seconds(pid: int) -> float:
    """Processor time of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def resident_bytes(pid: int) -> int:
    """Greatest resident memory of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def show_disk(folder: Path) -> None:
    """Rows of events, and bytes of all tables and of each."""
    settings = local_settings(folder)
    with LocalStack(settings, ("clickhouse",)) as stack:
        store = {"url": stack.clickhouse_url, "database": "history"}
        client = connect(settings.clickhouse.model_copy(update=store))
        show(disk_of(client))
        client.close()


def disk_of(client: Client) -> dict[str, object]:
    """Figures of the client's database."""
    found = client.query(TABLES).result_rows
    return {
        "storedEvents": next(rows for table, rows, _ in found if table == "events"),
        "bytes": sum(size for _, _, size in found),
        "bytesByTable": {table: size for table, _, size in found},
    }


def show(figures: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
