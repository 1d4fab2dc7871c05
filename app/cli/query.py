"""`voicemon query …`: figures on the command line."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from app.cli.output import print_json, print_table
from app.cli.period import parse_time, show_moment, show_time
from app.domain.counters import RESULT_FIELDS
from app.queries.history import PeriodType, Snapshot, historical_metrics
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings
from app.runtime.worker_client import WorkerClient
from sinks.clickhouse.client import clear_errors, connect

DAY_MS = 86_400_000
DEFAULT_MS = {"hourly": DAY_MS, "daily": 7 * DAY_MS}
# Fits 80 columns; --json has every figure.
COLUMNS = {
    "received": "artifacts_received",
    "done": "artifacts_completed",
    "failed": "artifacts_failed",
    "claims": "total_claims_extracted",
    "entities": "total_entities_resolved",
    "drafts": "total_drafts_generated",
    "cost $": "total_ai_cost",
    "p95 ms": "p95_end_to_end_latency",
}
commands = typer.Typer(no_args_is_help=True, help="Figures of the monitor.")
Period = Annotated[PeriodType, typer.Option("--period", help="Snapshots of hours or of days.")]
From = Annotated[
    int | None,
    typer.Option("--from", parser=parse_time, metavar="TIME", help="First period; without it 24 h or 7 d before --to."),
]
To = Annotated[int | None, typer.Option("--to", parser=parse_time, metavar="TIME", help="Last period; without it now.")]
Organization = Annotated[str | None, typer.Option("--organization", help="One organisation; without it the platform.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]
JsonObject = Annotated[bool, typer.Option("--json", help="Print one JSON object, as the worker gives it.")]
Url = Annotated[
    str | None, typer.Option("--url", help="Address of a worker. [default: VOICEMON_WEB_HOST and VOICEMON_WEB_PORT]")
]


@commands.command("realtime")
def realtime(organization: Organization = None, url: Url = None, as_json: JsonObject = False) -> None:
    """The eight live counters of the current hour and of the last 60 minutes, asked of a running worker."""
    web = Settings.from_environment().web
    parameters = {} if organization is None else {"organizationId": organization}
    client = WorkerClient(url or f"http://{web.host}:{web.port}", token=web.client_token.get_secret_value())
    found = client.json("/api/v1/metrics/realtime", parameters)
    if as_json:
        print_json(found)
        return
    rows = [(name.removesuffix("1h"), found[name], found["last60Minutes"][name]) for name in RESULT_FIELDS]
    print_table(_scope_and_age(found), ("Counter", "Current hour", "Last 60 min"), rows)


def _scope_and_age(found: dict[str, Any]) -> str:
    scope = f"Organisation {found['organizationId']}" if "organizationId" in found else "Platform"
    window = f"current hour {show_time(found['windowStart'])} to {show_time(found['windowEnd'])}"
    age = f"as of {show_moment(found['asOf'])}" + (", stale: behind the log" if found["stale"] else "")
    return f"{scope}\n{window}\n{age}"


@commands.command("history")
def history(
    period: Period = "hourly",
    from_ms: From = None,
    to_ms: To = None,
    organization: Organization = None,
    as_json: Json = False,
) -> None:
    """Snapshots of closed periods whose start lies from --from to --to, oldest first."""
    settings = Settings.from_environment()
    now_ms = SystemClock().now_ms()
    end_ms = now_ms if to_ms is None else to_ms
    start_ms = end_ms - DEFAULT_MS[period] if from_ms is None else from_ms
    client = connect(settings.clickhouse)
    try:
        with clear_errors(settings.clickhouse):
            found = historical_metrics(client, period, start_ms, end_ms, organization, now_ms)
    finally:
        client.close()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        Console().print(_table(found))


def _table(snapshots: list[Snapshot]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("start (UTC)", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for snapshot in snapshots:
        table.add_row(show_time(snapshot.period_start), *(_figure(snapshot, name) for name in COLUMNS.values()))
    return table


def _figure(snapshot: Snapshot, name: str) -> str:
    value = getattr(snapshot, name)
    return f"{value:.4f}" if isinstance(value, float) else str(value)
