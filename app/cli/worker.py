"""`voicemon worker`: run one worker until SIGTERM or Ctrl-C."""

import asyncio
import os
import sys
from typing import Annotated

import orjson
import typer
import uvloop

from app.runtime.errors import VoicemonError
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

    async def run() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        try:
            await Worker(settings).run(stop, announce)
        except VoicemonError as error:
            typer.echo(f"voicemon: {error}", err=True)
            _leave(1)
        _leave(0)

    uvloop.run(run())


def _leave(code: int) -> None:
    """End the process now.

    Leaving the loop would join threads and tasks that wait for a ClickHouse or Kafka that does not answer, up to
    their own timeouts; nothing that they do is needed any more.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
