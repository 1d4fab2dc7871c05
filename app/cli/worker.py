"""`voicemon worker`: run one worker until SIGTERM or Ctrl-C."""

import asyncio
import sys
from typing import Annotated

import orjson
import typer
import uvloop

from app.runtime.errors import VoicemonError
from app.runtime.interpreter import collect_rarely, loop_fast
from app.runtime.leave import leave
from app.runtime.logs import configure_logs
from app.runtime.settings import Settings
from app.supervisor import supervise, worker_command
from app.worker import Worker, stop_on_signals


def worker(
    supervised: Annotated[
        bool,
        typer.Option("--supervise", help="start the worker again when it ends by itself; gives up after 5 a minute"),
    ] = False,
    accept_rejects: Annotated[
        bool, typer.Option("--accept-rejects", help="never pause, however many records are refused")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the address as JSON once it is served")] = False,
) -> None:
    """Count events live, store them in ClickHouse, serve the views. Log lines are JSON on stdout."""
    settings = Settings.from_environment()
    if accept_rejects:
        ingest = settings.ingest.model_copy(update={"accept_rejects": True})
        settings = settings.model_copy(update={"ingest": ingest})
    configure_logs(settings.log.level, json_lines=True)
    loop_fast()
    options = [*(["--accept-rejects"] if accept_rejects else []), *(["--json"] if as_json else [])]
    uvloop.run(_supervise(options) if supervised else _work(settings, as_json))


async def _supervise(options: list[str]) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    await supervise([*worker_command(), *options], stop)


async def _work(settings: Settings, as_json: bool) -> None:
    collect_rarely()

    def announce(port: int) -> None:
        if as_json:
            sys.stdout.write(orjson.dumps({"url": f"http://{settings.web.host}:{port}"}).decode() + "\n")
            sys.stdout.flush()

    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        await Worker(settings).run(stop, announce)
    except VoicemonError as error:
        typer.echo(f"voicemon: {error}", err=True)
        leave(error.exit_code)
    leave(0)
