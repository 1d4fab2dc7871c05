"""`voicemon config show|check`: the settings in force, and whether Kafka and ClickHouse can be reached with them."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from pydantic import BaseModel, SecretStr

from app.cli.output import print_json, print_table
from app.runtime.errors import VoicemonError
from app.runtime.log_position import group_lag
from app.runtime.settings import Settings, unknown_names
from sinks.clickhouse.client import connect

Json = Annotated[bool, typer.Option("--json", help="print JSON")]

commands = typer.Typer(help="Show or check the settings.", no_args_is_help=True)


@commands.command()
def show(as_json: Json = False) -> None:
    """Print every setting with its environment variable; secrets are masked."""
    rows = list(_rows(Settings.from_environment()))
    if as_json:
        print_json({name: value for name, value, _ in rows})
    else:
        print_table("Settings", ("Variable", "Value", "Meaning"), rows)


@commands.command()
def check(as_json: Json = False) -> None:
    """Try the settings: names, Kafka, ClickHouse. Exit code 1 if anything is wrong."""
    settings = Settings.from_environment()
    found = {
        "names": _unknown_names(),
        "kafka": _problem(lambda: asyncio.run(group_lag(settings.kafka))),
        "clickhouse": _problem(lambda: connect(settings.clickhouse).close()),
    }
    if as_json:
        print_json({name: problem or "ok" for name, problem in found.items()})
    else:
        for name, problem in found.items():
            typer.echo(f"{name}: {problem or 'ok'}")
    if any(found.values()):
        raise typer.Exit(1)


def _unknown_names() -> str:
    unknown = unknown_names()
    return f"unknown variables {', '.join(unknown)}: see 'voicemon config show' for the names" if unknown else ""


def _problem(attempt: Any) -> str:
    """What is wrong, in words; empty if nothing."""
    try:
        attempt()
    except VoicemonError as error:
        return str(error)
    return ""


def _rows(settings: Settings) -> Iterator[tuple[str, str | int | float | bool, str]]:
    for group in type(settings).model_fields:
        values: BaseModel = getattr(settings, group)
        for name, field in type(values).model_fields.items():
            value = getattr(values, name)
            shown = value if isinstance(value, int | float | bool) else str(value)
            if isinstance(value, SecretStr):
                shown = "********" if value.get_secret_value() else ""
            yield f"VOICEMON_{group}_{name}".upper(), shown, field.description or ""
