"""What workers, their group and its broker say, once a second, while a service is away."""

import asyncio
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.domain.counters import RESULT_FIELDS
from app.runtime.broker import application_id
from app.runtime.kafka_access import client_options
from app.runtime.settings import KafkaSettings
from tests.workers import WorkerProcess

LOOK_SECONDS = 1.0
LIVE, READY = "/api/v1/metrics/realtime", "/health/ready"
UNKNOWN = "the broker does not answer"
FULL = "backlog of unstored rows is full"
GENERATION = re.compile(r"Stabilized group (\S+) generation (\d+) with (\d+) members")


@dataclass(frozen=True)
class Look:
    """One worker `at` seconds after the start; `counted` is the hour and the sum of its live counters."""

    at: float
    worker: int
    counted: tuple[int, int] | None
    reasons: tuple[str, ...]
    backlog_bytes: float
    blocked_seconds: float

    @property
    def is_paused(self) -> bool:
        """Whether its partitions wait for the store."""
        return any(FULL in reason for reason in self.reasons)


@dataclass(frozen=True)
class Group:
    """The group as its broker describes it."""

    at: float
    state: str
    members: tuple[str, ...]


class BrokerLog:
    """Generations of a group, from the broker's own log, which is read as it grows and changes files."""

    def __init__(self, path: Path, group: str) -> None:
        self._path, self._group = path, group
        self._file = path.open(errors="replace")
        self._rest = ""

    def generations(self) -> list[int]:
        """Those that began since the last call."""
        text = self._rest + self._file.read()
        if self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
            text += self._file.read()
            self._file.close()
            self._file = self._path.open(errors="replace")
            text += self._file.read()
        whole, _, self._rest = text.rpartition("\n")
        return [int(number) for group, number, _ in GENERATION.findall(whole) if group == self._group]


@dataclass
class Watch:
    """Everything that was seen; each look is a line of `trace`, too."""

    workers: Sequence[WorkerProcess]
    kafka: KafkaSettings
    log: BrokerLog
    trace: Path
    started: float = field(default_factory=time.monotonic)
    looks: list[Look] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    generations: list[tuple[float, int]] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    async def run(self) -> None:
        """Look until cancelled."""
        admin = AIOKafkaAdminClient(**client_options(self.kafka), client_id="voicemon-outage")
        await admin.start()
        try:
            with self.trace.open("w") as lines:
                while True:
                    for seen in await self._look(admin):
                        lines.write(json.dumps(asdict(seen)) + "\n")
                    lines.flush()
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            await admin.close()

    async def _look(self, admin: AIOKafkaAdminClient) -> list[Look | Group]:
        looks = await asyncio.gather(*(look_at(worker, number, self.now) for number, worker in enumerate(self.workers)))
        group = await describe(admin, application_id(self.kafka), self.now)
        self.looks += looks
        self.groups.append(group)
        self.generations += [(self.now, number) for number in await asyncio.to_thread(self.log.generations)]
        return [*looks, group]


async def look_at(worker: WorkerProcess, number: int, at: float) -> Look:
    """What a worker says now."""
    status, live = await worker.ask(LIVE)
    ready_status, ready = await worker.ask(READY)
    gauges = await asyncio.to_thread(_gauges, worker)
    return Look(
        at,
        number,
        (live["windowStart"], sum(live[name] for name in RESULT_FIELDS)) if status == 200 else None,
        () if ready_status == 200 else tuple((ready or {"reasons": ["no answer"]})["reasons"]),
        gauges.get("voicemon_sink_backlog_bytes", 0.0),
        gauges.get("voicemon_sink_blocked_seconds", 0.0),
    )


def _gauges(worker: WorkerProcess) -> dict[str, float]:
    """Metrics without labels; none if the worker does not answer."""
    try:
        lines = worker.text("/metrics").splitlines()
    except OSError:
        return {}
    return {
        name: float(value) for name, value in (line.split() for line in lines if line[0] != "#" and "{" not in line)
    }


async def describe(admin: AIOKafkaAdminClient, group: str, at: float) -> Group:
    """The group's state and members; neither if the broker does not answer."""
    try:
        [answer] = await admin.describe_consumer_groups([group])
    except (KafkaError, OSError):
        return Group(at, UNKNOWN, ())
    [(_, _, state, _, _, members, *_)] = answer.groups
    return Group(at, state, tuple(sorted(member_id for member_id, *_ in members)))
