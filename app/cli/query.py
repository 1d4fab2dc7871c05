"""`voicemon query …`: figures on the command line."""

from typing import Annotated, Any

import typer

from app.cli.answer_output import print_csv
from app.cli.asked_worker import Url, asked_worker
from app.cli.output import print_json, print_table
from app.cli.period import show_moment, show_time
from app.cli.question import AsCsv, check_form, command_of
from app.domain.counters import RESULT_FIELDS
from app.queries.catalogue import CATALOGUE
from app.runtime.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Figures of the monitor.")
Organization = Annotated[str | None, typer.Option("--organization", help="One organisation; without it the platform.")]
JsonObject = Annotated[bool, typer.Option("--json", help="Print one JSON object, as the worker gives it.")]
CSV_COLUMNS = (
    "organizationId", *RESULT_FIELDS, "windowStart", "windowEnd", "asOf", "stale",
    *(f"{part}.{name}" for part in ("last60Minutes", "refusedByStore") for name in RESULT_FIELDS),
)  # fmt: skip


@commands.command("realtime")
def realtime(
    organization: Organization = None, url: Url = None, as_json: JsonObject = False, as_csv: AsCsv = False
) -> None:
    """The eight live counters of the current hour and of the last 60 minutes, asked of a running worker."""
    check_form(as_json=as_json, as_csv=as_csv)
    parameters = {} if organization is None else {"organizationId": organization}
    found = asked_worker(Settings.from_environment().web, url).json("/api/v1/metrics/realtime", parameters)
    if as_json:
        print_json(found)
        return
    if as_csv:
        print_csv(CSV_COLUMNS, [found])
        return
    rows = [(name.removesuffix("1h"), found[name], found["last60Minutes"][name]) for name in RESULT_FIELDS]
    print_table(_scope_and_age(found), ("Counter", "Current hour", "Last 60 min"), rows)


def _scope_and_age(found: dict[str, Any]) -> str:
    scope = f"Organisation {found['organizationId']}" if "organizationId" in found else "Platform"
    window = f"current hour {show_time(found['windowStart'])} to {show_time(found['windowEnd'])}"
    age = f"as of {show_moment(found['asOf'])}" + (", stale: behind the log" if found["stale"] else "")
    refused = sum(found.get("refusedByStore", {}).values())
    mark = f"\nrefused by the store, so without a row: {refused:,} of the current hour" if refused else ""
    return f"{scope}\n{window}\n{age}{mark}"


for _question in CATALOGUE:
    commands.command(_question.name, help=_question.description)(command_of(_question))
