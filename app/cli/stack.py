"""`voicemon stack up|down|status`: Kafka and ClickHouse on this machine."""

import shlex
import signal
import types
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer

from app.local import stack
from app.runtime.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Kafka and ClickHouse on this machine, in the background.")
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder that keeps the data. [default: VOICEMON_LOCAL_DATA_DIR]")
]
Ports = Annotated[
    Literal["settings", "auto"], typer.Option("--ports", help="auto picks free ports instead of those of the settings.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@commands.command("up")
def up(data: Data = None, ports: Ports = "settings", as_json: Json = False) -> None:
    """Start what does not run yet and print the addresses."""
    settings = _settings(data)
    # They would end this process at once and leave the services that it was about to stop; Ctrl-C is ignored where a
    # shell has started the command in the background.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    started = stack.up(settings, auto_ports=ports == "auto", say=lambda line: typer.echo(line, err=True))
    services = stack.status(settings)
    if as_json:
        _print_json({"started": started} | _describe(services))
        return
    typer.echo("The stack is up." if started else "The stack is already up.")
    _print_table(services)
    for name, value in _environment(services).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@commands.command("down")
def down(data: Data = None, as_json: Json = False) -> None:
    """Stop what `up` started; the data stays."""
    stopped = stack.down(_settings(data))
    if as_json:
        _print_json({"stopped": stopped})
    else:
        typer.echo(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")


@commands.command("status")
def status(data: Data = None, as_json: Json = False) -> None:
    """Tell how each service is; exit code 1 unless all run."""
    services = stack.status(_settings(data))
    if as_json:
        _print_json(_describe(services))
    else:
        _print_table(services)
    if any(service.state != "running" for service in services):
        raise typer.Exit(1)


def _interrupt(_number: int, _frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt


def _settings(data: Path | None) -> Settings:
    settings = Settings.from_environment()
    if data is None:
        return settings
    return settings.model_copy(update={"local": settings.local.model_copy(update={"data_dir": data})})


def _environment(services: list[stack.ServiceStatus]) -> dict[str, str]:
    return {name: value for service in services if service.entry for name, value in service.entry.environment.items()}


def _describe(services: list[stack.ServiceStatus]) -> dict[str, Any]:
    described = {}
    for service in services:
        entry = service.entry
        details = {"pid": entry.pid, "port": entry.port, "address": entry.address, "log": entry.log} if entry else {}
        described[service.name] = {"state": service.state} | details
    return {"services": described, "environment": _environment(services)}


def _print_table(services: list[stack.ServiceStatus]) -> None:
    for service in services:
        entry = service.entry
        details = f"{entry.address}  process {entry.pid}  log {entry.log}" if entry else ""
        typer.echo(f"{service.name:<11}{service.state:<15}{details}".rstrip())


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
