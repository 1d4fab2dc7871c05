"""Workers for integration tests: in this process, or as a process of their own that can be killed."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from app.local.ports import free_port
from app.runtime.clock import Clock
from app.runtime.settings import ClickHouseSettings, Settings, inherited_environment
from app.worker import Worker

ROOT = Path(__file__).parent.parent
DEADLINE_SECONDS = 40.0


def worker_settings(bootstrap: str, clickhouse: ClickHouseSettings, prefix: str, **groups: dict[str, Any]) -> Settings:
    """Settings of a deployment of its own; each group's changes win."""
    base: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap": bootstrap, "topic_prefix": prefix},
        "clickhouse": {**clickhouse.model_dump(), "database": f"{prefix}db"},
        "web": {"port": 0},
    }
    return Settings.model_validate({name: base.get(name, {}) | groups.get(name, {}) for name in base | groups})


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give a program these settings."""
    variables = {name: value for name, value in inherited_environment().items() if not name.startswith("VOICEMON_")}
    for group in type(settings).model_fields:
        for name, value in getattr(settings, group).model_dump().items():
            text = "" if value is None else str(value)
            text = value.get_secret_value() if hasattr(value, "get_secret_value") else text
            variables[f"VOICEMON_{group}_{name}".upper()] = text
    return variables


@asynccontextmanager
async def running_worker(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Worker]:
    """A worker in this process; it is stopped as by SIGTERM at the end."""
    worker, stop = Worker(settings, clock=clock), asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


async def eventually(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Return once `holds()` is true (or its awaitable gives true); AssertionError after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


@dataclass
class WorkerProcess:
    """A worker process with its settings and its log so far."""

    process: subprocess.Popen[bytes]
    settings: Settings
    log: Path

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON body of a view; status 0 if nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.settings.web.port}{path}", timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, None

    def text(self, path: str) -> str:
        """Body of a view that answers in text."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.settings.web.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    async def ask(self, path: str) -> tuple[int, Any]:
        """`get` without blocking the loop."""
        return await asyncio.to_thread(self.get, path)

    async def until_ready(self) -> None:
        """Return once the worker is ready."""

        async def is_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            return (await self.ask("/health/ready"))[0] == 200

        await eventually(is_ready, "the worker is ready")

    def end(self, seconds: float = 30.0) -> int:
        """SIGTERM, then the exit code; fails if the process needs longer."""
        self.process.terminate()
        return self.process.wait(seconds)


@contextmanager
def worker_process(settings: Settings, folder: Path) -> Iterator[WorkerProcess]:
    """A worker process on a free port; killed at the end if it still runs."""
    web = settings.web.model_copy(update={"port": free_port()})
    settings = settings.model_copy(update={"web": web})
    log = folder / f"worker-{web.port}.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "app.cli", "worker"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment(settings), stdout=output, stderr=output)
    try:
        yield WorkerProcess(process, settings, log)
    finally:
        process.kill()
        process.wait(10)


Message = tuple[bytes | None, bytes | None, int | None]
"""Key, value and timestamp in milliseconds."""


async def produce(bootstrap: str, topic: str, messages: Sequence[Message], compression: str | None = None) -> None:
    """Write records in order, each confirmed."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type=compression, max_request_size=20_000_000, enable_idempotence=True
    )
    await producer.start()
    try:
        sent = [await producer.send(topic, value, key, timestamp_ms=at) for key, value, at in messages]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def read_topic(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """All records of a topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=20_000_000)
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        tps = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not tps:
            return []
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        found: list[ConsumerRecord] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            assert time.monotonic() < deadline, f"{topic} could not be read to its end"
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()
