"""The chaos itself: kills in seeded order under load, then an audit that must find nothing."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.audit.report import Report
from app.audit.run import Question, audit
from app.publisher import CloseReport
from app.runtime.broker import prepare_topics
from app.runtime.clock import SystemClock
from app.runtime.settings import ClickHouseSettings, Settings
from tests.chaos.fleet import Fleet, Slot
from tests.chaos.load import Load
from tests.chaos.schedule import Action, Plan, schedule
from tests.chaos.services import KillableService
from tests.workers import eventually, worker_settings

SETTLE_SECONDS = 180.0


@dataclass
class Outcome:
    """What was done and what came of it."""

    actions: Counter[str] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)
    slow_stops: list[float] = field(default_factory=list)
    under_load: Report | None = None
    at_rest: Report | None = None
    published: CloseReport | None = None
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return sum(count for action, count in self.actions.items() if action.startswith("kill"))


class Chaos:
    """One run in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self._plan, self._say = plan, say
        self._broker = KillableService("kafka", folder / "kafka-stack")
        self._engine = KillableService("clickhouse", folder / "clickhouse-stack")
        self._settings = _settings(plan, self._broker.address, self._engine.address)
        self._fleet = Fleet.of(self._settings, plan.slots, folder)
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        started = time.monotonic()
        supervisor: asyncio.Task[None] | None = None
        load = Load(self._broker.address, "", self._plan.rate, self._plan.seed)
        try:
            await asyncio.gather(self._broker.start(), self._engine.start())
            await prepare_topics(self._settings.kafka, ("counters", "seen-events"))
            self._fleet.slots[0].wanted = True
            supervisor = asyncio.create_task(self._fleet.supervise())
            load.start()
            for action in schedule(self._plan):
                await asyncio.sleep(action.pause)
                await self._act(action)
            await eventually(self._fleet.all_complete, "all live figures are complete under load", SETTLE_SECONDS)
            self.outcome.under_load = await self._audit()
            self.outcome.published = await asyncio.to_thread(load.stop)
            await eventually(self._fleet.is_settled, "all is counted and stored", SETTLE_SECONDS)
            self.outcome.at_rest = await self._audit()
        finally:
            if supervisor is not None:
                supervisor.cancel()
            self._fleet.end()
            await asyncio.to_thread(self._broker.stop)
            await asyncio.to_thread(self._engine.stop)
        self.outcome.ends, self.outcome.slow_stops = self._fleet.ends, self._fleet.slow_stops
        self.outcome.seconds = time.monotonic() - started
        return self.outcome

    async def _act(self, action: Action) -> None:
        self.outcome.actions[action.name] += 1
        self._say(f"{time.strftime('%H:%M:%S')} {action.name} {action.slot} ({self.outcome.kills} kills)")
        if action.name in ("kill kafka", "kill clickhouse"):
            service = self._broker if action.name == "kill kafka" else self._engine
            await service.kill()
            await asyncio.sleep(action.away)
            await service.start()
            return
        slot = self._fleet.slots[action.slot]
        if action.name == "join":
            slot.wanted = True
        elif action.name == "leave":
            await self._fleet.leave(slot)
        else:
            await eventually(lambda: slot.runs, "the supervisor has started the worker")
            await (self._fleet.kill(slot) if action.name == "kill worker" else self._freeze(slot))

    async def _freeze(self, slot: Slot) -> None:
        await self._fleet.freeze(slot, self._plan.session_seconds + 2)

    async def _audit(self) -> Report:
        urls = [slot.url for slot in self._fleet.wanted]
        return await asyncio.to_thread(audit, self._settings, Question(workers=urls), SystemClock(), lambda text: None)


def _settings(plan: Plan, bootstrap: str, url: str) -> Settings:
    clickhouse = ClickHouseSettings(url=url, batch_seconds=0.5, retry_max_seconds=2.0, request_timeout_seconds=10.0)
    session: dict[str, Any] = {
        "topic_prefix": "",
        "session_timeout_seconds": plan.session_seconds,
        "heartbeat_seconds": plan.session_seconds / 3,
    }
    return worker_settings(bootstrap, clickhouse, "chaos_", kafka=session)
