"""`voicemon rollup`: compute snapshots again."""

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from agents.roll_up import LogOnly, RollUp, RollUpResult
from app.cli.period import check_order, parse_time, show_time
from app.runtime.clock import SystemClock
from app.runtime.logs import configure_logs
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect

From = Annotated[int, typer.Option("--from", parser=parse_time, metavar="TIME", help="First hour, inclusive.")]
To = Annotated[int, typer.Option("--to", parser=parse_time, metavar="TIME", help="End, exclusive.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say which periods and change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class _Progress(LogOnly):
    """Says on stderr how far a run is."""

    def periods_tried(self, period_type: str, tried: int, total: int) -> None:
        """So many of the hours, or of the days, are behind it."""
        typer.echo(f"{period_type}: {tried} of {total}", err=True)


def rollup(from_ms: From, to_ms: To, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Compute the hours of a range and their days again, changed or not.

    Hours that have not ended, or that are so old that some of their events may be gone, are left out. The worker
    does this by itself for whatever has changed.
    """
    check_order(from_ms, to_ms)
    settings = Settings.from_environment()
    configure_logs(settings.log.level, json_lines=False)
    client = connect(settings.clickhouse)
    try:
        result = RollUp(client, settings, SystemClock(), _Progress()).recompute(from_ms, to_ms, dry_run=dry_run)
    finally:
        client.close()
    typer.echo(orjson.dumps(asdict(result)).decode() if as_json else _sentences(result, dry_run))
    if result.failed:
        raise typer.Exit(1)


def _sentences(result: RollUpResult, dry_run: bool) -> str:
    verb = "Would compute" if dry_run else "Computed"
    lines = [f"{verb} {len(result.hours)} hours and {len(result.days)} days."]
    if result.hours:
        lines.append(f"First hour {show_time(result.hours[0])}, last hour {show_time(result.hours[-1])}.")
    if not dry_run:
        lines.append(f"{result.rows_written} rows in {result.seconds:.2f} s.")
    lines += [f"Failed: {period_type} {show_time(start_ms)}" for period_type, start_ms in result.failed]
    return "\n".join(lines)
