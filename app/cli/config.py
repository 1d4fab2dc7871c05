"""`voicemon config show|check`: the settings in force, and whether everything works with them."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from pydantic import BaseModel, SecretStr, ValidationError

from app.checks.finding import Finding
from app.checks.kafka import check_kafka
from app.checks.machine import check_data_folder, check_names
from app.checks.store import check_store
from app.checks.web import check_web
from app.cli.output import print_json, print_table
from app.runtime.clock import SystemClock
from app.runtime.passwords import masked_url
from app.runtime.settings import Settings

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
    """Try the settings: names, values, data folder, web access, Kafka, ClickHouse. Exit code 1 if anything is wrong."""
    findings = list(_findings())
    is_right = not any(finding.problem for finding in findings)
    if as_json:
        print_json({"ok": is_right, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table("Settings", ("Part", "Tried", "Result"), [(f.part, f.tried, f.problem or "ok") for f in findings])
    if not is_right:
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    """Everything that can be found out at once."""
    yield check_names()
    try:
        settings = Settings.from_known_names()
    except ValidationError as error:
        # Not pydantic's own text, which shows the values, secrets too.
        for problem in error.errors(include_input=False):
            name = "VOICEMON_" + "_".join(map(str, problem["loc"])).upper()
            yield Finding("values", name, f"{problem['msg']}: see 'voicemon config show' or docs/settings.md")
        return
    yield from check_data_folder(settings)
    yield from check_web(settings.web)
    yield from asyncio.run(check_kafka(settings.kafka))
    yield from check_store(settings, SystemClock())


def _rows(settings: Settings) -> Iterator[tuple[str, str | int | float | bool, str]]:
    for group in type(settings).model_fields:
        values: BaseModel = getattr(settings, group)
        for name, field in type(values).model_fields.items():
            yield f"VOICEMON_{group}_{name}".upper(), _shown(getattr(values, name)), field.description or ""


def _shown(value: object) -> str | int | float | bool:
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, int | float | bool):
        return value
    return "" if value is None else masked_url(str(value))
