"""`voicemon worker`: run one worker until SIGTERM or Ctrl-C."""

import asyncio
import sys
from typing import Annotated

import orjson
import typer
import uvloop

from app.runtime.collector import collect_rarely
from app.runtime.logs import configure_logs
from app.runtime.settings import Settings
from app.worker import Worker, stop_on_signals


def worker(
    as_json: Annotated[bool, typer.Option("--json", help="print the address as JSON once it is served")] = False,
) -> None:
    """Count events live, store them in ClickHouse, serve the views. Log lines are JSON on stdout."""
    settings = Settings.from_environment()
    configure_logs(settings.log.level, json_lines=True)

    def announce(port: int) -> None:
        if as_json:
            sys.stdout.write(orjson.dumps({"url": f"http://{settings.web.host}:{port}"}).decode() + "\n")
            sys.stdout.flush()

    collect_rarely()

    async def run() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await Worker(settings).run(stop, announce)

    uvloop.run(run())
