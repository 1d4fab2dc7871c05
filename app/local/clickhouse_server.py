"""The embedded ClickHouse as a process of its own: `python -m app.local.clickhouse_server --path DIR`."""

import argparse
import asyncio
import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvloop
from aiohttp import web

from app.local.clickhouse_engine import Engine
from app.local.clickhouse_http import Endpoint
from app.local.clickhouse_request import User
from app.runtime.errors import VoicemonError
from app.runtime.logs import configure_logs, leave_out_malformed_requests
from app.runtime.loopback import is_loopback
from app.runtime.passwords import current_password
from app.runtime.settings import Settings

log = structlog.get_logger(__name__)
PARENT_CHECK_SECONDS = 0.5
SHUTDOWN_SECONDS = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    options = _parser().parse_args(arguments)
    settings = Settings.from_environment()
    configure_logs(settings.log.level, json_lines=True, stream=sys.stderr)
    try:
        _check_loopback(options.host)
        with _only_process(options.path):
            return uvloop.run(_serve(options, settings))
    except VoicemonError as error:
        sys.stderr.write(f"clickhouse-server: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clickhouse_server", description="Embedded ClickHouse over HTTP.")
    parser.add_argument("--path", type=Path, required=True, help="folder that holds the data")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one")
    parser.add_argument("--timezone", default="UTC", help="time zone of the engine")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the starting process ends")
    return parser


def _check_loopback(host: str) -> None:
    if not is_loopback(host):
        raise VoicemonError(f"The embedded ClickHouse listens on loopback only: use 127.0.0.1 instead of {host}.")


@contextmanager
def _only_process(path: Path) -> Iterator[None]:
    path.mkdir(parents=True, exist_ok=True)
    with (path / "endpoint.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise VoicemonError(
                f"Another ClickHouse process serves {path}: stop it first, or use another --path."
            ) from error
        yield


async def _serve(options: argparse.Namespace, settings: Settings) -> int:
    parent = os.getppid()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    path = options.path.resolve()
    leave_out_malformed_requests()
    engine = Engine(path, memory_bytes=settings.local.clickhouse_memory_bytes, timezone=options.timezone)
    try:
        endpoint = Endpoint(engine, _users(settings), settings.local.clickhouse_request_bytes)
        runner = web.AppRunner(
            endpoint.application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_SECONDS,
            auto_decompress=False,  # a gzip body that was cut off would pass as a whole one
        )
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise VoicemonError(f"Cannot listen on {options.host}:{options.port}: {error.strerror}.") from error
        port = runner.addresses[0][1]
        ready = {"url": f"http://{options.host}:{port}", "port": port, "pid": os.getpid(), "version": engine.version}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await _until_stopped(stop, parent if options.die_with_parent else None)
        await runner.cleanup()
    finally:
        engine.close()
    return 0


async def _until_stopped(stop: asyncio.Event, parent: int | None) -> None:
    while not stop.is_set():
        if parent is not None and os.getppid() != parent:
            log.warning("The starting process has ended, so this one ends too")
            return
        try:
            await asyncio.wait_for(stop.wait(), PARENT_CHECK_SECONDS)
        except TimeoutError:
            continue


def _users(settings: Settings) -> list[User]:
    store = settings.clickhouse
    password = current_password(store.password, store.password_file, "VOICEMON_CLICKHOUSE_PASSWORD_FILE")
    return [
        User(store.readonly_user, store.readonly_password.get_secret_value(), is_readonly=True),
        User(store.user, password, is_readonly=False),
    ]


if __name__ == "__main__":
    sys.exit(main())
