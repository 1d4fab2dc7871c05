"""One measurement: `python -m app.bench TASK`, task and result as JSON."""

import asyncio
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from app.bench.bare import fetch_and_count, fetch_only
from app.bench.lap import Result, Task
from app.runtime.interpreter import collect_rarely, loop_fast
from app.runtime.leave import leave
from app.runtime.logs import configure_logs


def main() -> None:
    """Run the contender that the task names and print its result."""
    task = msgspec.json.decode(sys.argv[1], type=Task)
    configure_logs("WARNING", json_lines=True)
    collect_rarely()
    loop_fast()
    uvloop.run(_measure(task))


async def _measure(task: Task) -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = await asyncio.wait_for(_contender(task, Path(folder)), task.seconds + 30)
    sys.stdout.write("\n" + msgspec.json.encode(result).decode() + "\n")
    leave(0)  # a worker's job may be busy in a thread for long, and the loop's end would wait for it


def _contender(task: Task, folder: Path) -> Coroutine[Any, Any, Result]:
    # Each imports only what it measures: a contender's memory must not hold the others' libraries.
    if task.contender == "fetch":
        return fetch_only(task)
    if task.contender == "fetch_count":
        return fetch_and_count(task)
    if task.contender == "faust":
        from app.bench.idiomatic import count_with_faust  # noqa: PLC0415

        return count_with_faust(task, folder)
    if task.contender == "quix":
        from app.bench.quix import count_with_quix  # noqa: PLC0415

        return count_with_quix(task, folder)
    if task.database:
        from app.bench.stored import CONTENDERS  # noqa: PLC0415

        return CONTENDERS[task.contender](task)
    from app.bench.ours import count_with_ours  # noqa: PLC0415

    return count_with_ours(task)


if __name__ == "__main__":
    main()
