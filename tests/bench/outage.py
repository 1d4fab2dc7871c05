"""ClickHouse away for a while under load: what workers count and say meanwhile, and how soon all rows are there.

    python -m tests.bench.outage --seconds 600 --rate 1000

Starts a Kafka, a ClickHouse and workers of its own. The engine is killed, is away for the given time and comes back,
while records are published all the time; at the end the audit compares log, counters and store. Printed are

- `longestStandstillSeconds`: the longest time without growth of a worker's live figures while no backlog was full,
- `paused`: when a worker's backlog was full, and what it said then,
- `rebalances`: generations of the group that began during the outage; `membersKept`: whether its members stayed,
- `storedSeconds`: from the return until every row of the time before it was stored,
- `caughtUpSeconds`: from the return until rows were stored as fast as records came.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from app.audit.report import Report
from app.audit.run import Question, audit
from app.publisher import CloseReport
from app.runtime.broker import application_id, prepare_topics
from app.runtime.clock import SystemClock
from app.runtime.log_position import stored_until_ms
from app.runtime.settings import MIB, ClickHouseSettings
from tests.bench.outage_watch import UNKNOWN, BrokerLog, Look, Watch
from tests.chaos.fleet import Fleet
from tests.chaos.load import Load
from tests.chaos.services import KillableService
from tests.workers import eventually, worker_settings

WARM_SECONDS = 10.0
CURRENT_MS = 10_000
RECOVERY_SECONDS = 1_800.0
SETTLE_SECONDS = 180.0
LONGEST_REASON = 200
PREFIX = "outage_"


@dataclass(frozen=True)
class Plan:
    """How long the engine is away, and under which load."""

    seconds: float
    rate: float = 1000.0
    workers: int = 2
    backlog_bytes: int = 512 * MIB
    seed: int = 1


@dataclass
class Outcome:
    """What was seen; moments are seconds since the watch began."""

    watch: Watch
    killed_at: float = 0.0
    returned_at: float = 0.0
    stored_seconds: float = 0.0
    caught_up_seconds: float = 0.0
    published: CloseReport | None = None
    report: Report | None = None
    ends: Sequence[str] = ()


class Outage:
    """One run in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._broker = KillableService("kafka", folder / "kafka-stack")
        self._engine = KillableService("clickhouse", folder / "clickhouse-stack")
        store = ClickHouseSettings(url=self._engine.address, backlog_bytes=plan.backlog_bytes)
        self.settings = worker_settings(self._broker.address, store, PREFIX)
        self._fleet = Fleet.of(self.settings, plan.workers, folder)
        self._load = Load(self._broker.address, PREFIX, plan.rate, plan.seed, late_rate=0.0)

    async def run(self) -> Outcome:
        """Everything, in order; its processes have ended afterwards."""
        supervising = watching = None
        try:
            await asyncio.gather(self._broker.start(), self._engine.start())
            await prepare_topics(self.settings.kafka, ("counters", "seen-events"))
            for slot in self._fleet.slots:
                slot.wanted = True
            supervising = asyncio.create_task(self._fleet.supervise())
            await eventually(self._fleet.all_ready, "all workers are ready", SETTLE_SECONDS)
            self._load.start()
            outcome = Outcome(self._watch())
            watching = asyncio.create_task(outcome.watch.run())
            await self._take_away(outcome)
            await self._recover(outcome)
            watching.cancel()
            await self._settle(outcome)
        finally:
            for task in (supervising, watching):
                if task is not None:
                    task.cancel()
            self._fleet.end()
            await asyncio.to_thread(self._broker.stop)
            await asyncio.to_thread(self._engine.stop)
        if watching.done() and not watching.cancelled():
            watching.result()
        return outcome

    def _watch(self) -> Watch:
        workers = [slot.worker for slot in self._fleet.slots if slot.worker is not None]
        log = BrokerLog(self._broker.log, application_id(self.settings.kafka))
        return Watch(workers, self.settings.kafka, log, self._folder / "looks.jsonl")

    async def _take_away(self, outcome: Outcome) -> None:
        await asyncio.sleep(WARM_SECONDS)
        await self._engine.kill()
        outcome.killed_at = outcome.watch.now
        say(f"the engine is away for {self._plan.seconds:g} s")
        await asyncio.sleep(self._plan.seconds)

    async def _recover(self, outcome: Outcome) -> None:
        """Start the engine again and wait, under load, until its rows are complete and then current."""
        await self._engine.start()
        outcome.returned_at = outcome.watch.now
        returned_ms = SystemClock().now_ms()
        say("the engine is back")
        await self._until_stored(lambda: returned_ms)
        outcome.stored_seconds = outcome.watch.now - outcome.returned_at
        say(f"all rows of the outage are stored after {outcome.stored_seconds:.1f} s")
        await self._until_stored(lambda: SystemClock().now_ms() - CURRENT_MS)
        outcome.caught_up_seconds = outcome.watch.now - outcome.returned_at
        say("rows are stored as fast as they come")

    async def _until_stored(self, moment: Callable[[], int]) -> None:
        async def holds() -> bool:
            asked = moment()
            try:
                return await stored_until_ms(self.settings.kafka, SystemClock()) >= asked
            except KafkaError:
                return False

        await eventually(holds, "rows are stored", RECOVERY_SECONDS)

    async def _settle(self, outcome: Outcome) -> None:
        outcome.published = await asyncio.to_thread(self._load.stop)
        await eventually(self._fleet.is_settled, "all is counted and stored", SETTLE_SECONDS)
        say("auditing")
        question = Question(workers=[slot.url for slot in self._fleet.wanted])
        outcome.report = await asyncio.to_thread(audit, self.settings, question, SystemClock(), say)
        outcome.ends = self._fleet.ends


def figures(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """What is printed."""
    assert outcome.report is not None
    assert outcome.published is not None
    begin, end, watch = outcome.killed_at, outcome.returned_at, outcome.watch
    looks = [look for look in watch.looks if begin <= look.at <= end]
    groups = [group for group in watch.groups if begin <= group.at <= end]
    return {
        "seconds": plan.seconds,
        "rate": plan.rate,
        "workers": plan.workers,
        "backlogBytes": plan.backlog_bytes,
        "looks": len(looks),
        "longestStandstillSeconds": round(longest_standstill(looks), 1),
        "unanswered": sum(look.counted is None for look in looks),
        "paused": [told for number in range(plan.workers) for told in first_pause(looks, number, begin)],
        "readySaid": sorted({reason[:LONGEST_REASON] for look in looks for reason in look.reasons}),
        "neverReadyDuringOutage": all(look.reasons for look in looks if look.at > begin + 5),
        "highestBacklogBytes": int(max(look.backlog_bytes for look in looks)),
        "blockedSeconds": round(max(look.blocked_seconds for look in looks), 1),
        "groupStates": sorted({group.state for group in groups}),
        "membersKept": len({group.members for group in groups if group.state != UNKNOWN}) == 1,
        "rebalances": sum(begin <= at <= end for at, _ in watch.generations),
        "storedSeconds": round(outcome.stored_seconds, 1),
        "caughtUpSeconds": round(outcome.caught_up_seconds, 1),
        "undelivered": outcome.published.undelivered,
        "dropped": outcome.published.stats.dropped_total,
        "records": sum(at.records for at in outcome.report.partitions),
        "rows": sum(hour.stored for hour in outcome.report.hours or []),
        "workersThatEnded": list(outcome.ends),
        "clean": outcome.report.is_clean,
        "differences": outcome.report.as_json()["differences"],
    }


def longest_standstill(looks: Sequence[Look]) -> float:
    """Of all workers, while none of them was full: a full one counts nothing more, which the others show, too."""
    since: dict[int, float] = {}
    last: dict[int, tuple[int, int]] = {}
    longest = 0.0
    for look in looks:
        if look.is_paused:
            since.clear()
        counted = look.counted or (0, 0)
        if look.worker not in since or counted > last.get(look.worker, (0, 0)):
            since[look.worker] = look.at
            last[look.worker] = max(counted, last.get(look.worker, (0, 0)))
        longest = max(longest, look.at - since[look.worker])
    return longest


def first_pause(looks: Sequence[Look], number: int, begin: float) -> list[dict[str, Any]]:
    """When a worker was full for the first time, and what it said; empty if it never was."""
    paused = [look for look in looks if look.worker == number and look.is_paused]
    return [{"worker": number, "afterSeconds": round(look.at - begin, 1), "said": look.reasons} for look in paused[:1]]


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.outage", description="ClickHouse away under load.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long ClickHouse is away")
    parser.add_argument("--rate", type=float, default=1000.0, help="records a second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backlog-bytes", type=int, default=512 * MIB, help="bound of each worker's unstored rows")
    parser.add_argument("--keep", type=Path, default=None, help="folder for data and logs that is kept")
    chosen = parser.parse_args()
    plan = Plan(chosen.seconds, chosen.rate, chosen.workers, chosen.backlog_bytes)
    with tempfile.TemporaryDirectory(prefix="voicemon-outage-") as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = asyncio.run(Outage(plan, folder).run())
        sys.stdout.write(json.dumps(figures(plan, outcome), indent=2) + "\n")


if __name__ == "__main__":
    main()
