"""Quix Streams, where it is installed: the other Python library that counts into a table with a changelog."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.bench.lap import Lap, Result, Task
from app.runtime.topics import Topics


def is_installed() -> bool:
    """Whether the library can be imported here."""
    return find_spec("quixstreams") is not None


async def count_with_quix(task: Task, folder: Path) -> Result:
    """Events counted into a state store, as the library's documentation shows it."""
    from quixstreams import Application  # type: ignore[import-not-found]  # noqa: PLC0415  (not a dependency)

    lap = Lap(task.events)
    accepted = 0
    app = Application(
        broker_address=task.bootstrap,
        consumer_group=f"{task.prefix}{task.group}",
        auto_offset_reset="earliest",
        state_dir=str(folder),
    )

    def count(event: dict[str, Any], state: Any) -> dict[str, Any]:
        nonlocal accepted
        lap.start()
        key = f"{event.get('organizationId')}|{event.get('eventType')}"
        state.set(key, state.get(key, 0) + 1)
        accepted += 1
        return event

    app.dataframe(app.topic(Topics(task.prefix).events, value_deserializer="json")).update(count, stateful=True)
    app.run(count=task.events, timeout=task.seconds)
    return lap.result(accepted)
