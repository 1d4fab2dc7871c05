"""Faust as its documentation shows it: one message, one event, one write to a table."""

import asyncio
from pathlib import Path
from typing import Any

import faust

from app.bench.lap import Lap, Result, Task
from app.main import faust_credentials
from app.runtime.topics import Topics


class Event(faust.Record):  # type: ignore[misc]
    """What the counters need of an event."""

    eventId: str
    eventType: str
    timestamp: int
    organizationId: str | None = None


async def count_with_faust(task: Task, folder: Path) -> Result:
    """Events counted with `table[key] += 1`; no duplicate filter and no other check, which is in Faust's favour."""
    app = faust.App(
        f"{task.prefix}{task.group}",
        env={},
        broker=f"kafka://{task.bootstrap}",
        broker_credentials=faust_credentials(task.kafka()),
        store="memory://",
        datadir=str(folder),
        web_enabled=False,
        topic_partitions=task.partitions,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
    )
    lap, done = Lap(task.events), asyncio.Event()
    counts = app.Table("counts", default=int)
    accepted = 0

    async def count(events: Any) -> None:
        nonlocal accepted
        async for event in events:
            lap.start()
            counts[f"{event.organizationId}|{event.eventType}"] += 1
            accepted += 1
            if accepted >= task.events:
                done.set()

    app.agent(app.topic(Topics(task.prefix).events, value_type=Event))(count)
    await app.start()
    try:
        await asyncio.wait_for(done.wait(), task.seconds)
        return lap.result(accepted)
    finally:
        await app.stop()
