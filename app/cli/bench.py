"""`voicemon bench …`: how fast a worker counts and stores beside others, and how long snapshots take."""

import contextlib
from collections.abc import Collection
from typing import Annotated

import msgspec
import typer

from app.bench.events import Load
from app.bench.rollups import Plan, measure
from app.bench.run import TITLES, Report, Summary, compare, own_services
from app.bench.store_run import STORE_TITLES, StoreReport, StoreSummary, compare_stores
from app.cli.output import print_json, print_table
from app.runtime.settings import MIB, Settings

LEAST_EVENTS = 10_000
commands = typer.Typer(no_args_is_help=True, help="Measure speed on this machine.")


@commands.callback()
def bench() -> None:
    """Measure speed on this machine."""


@commands.command("counters")
def counters(  # noqa: PLR0913, PLR0917 - an option each
    events: Annotated[int, typer.Option(min=1000, help="Events in the log.")] = 2_000_000,
    organizations: Annotated[int, typer.Option(min=1, help="Organisations that they are spread over.")] = 100,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the log.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender, in turn.")] = 3,
    only: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(TITLES)}.")] = ",".join(TITLES),
    bootstrap: Annotated[
        str, typer.Option(help="Kafka to use; topics remain there. [default: a broker of its own]")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count the same log with the bare client, plain Faust and a worker whose rows are not stored; compare.

    Every run reads the whole log in a process of its own. The clock starts when the first events are in hand.
    """
    names = _chosen(only, TITLES)
    settings = Settings.from_environment()
    with contextlib.ExitStack() as cleanup:
        if bootstrap:
            settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": bootstrap})})
        else:
            settings = cleanup.enter_context(own_services(settings, ("kafka",), _say))
        report = compare(settings, Load(events, organizations, partitions), rounds, names, _say)
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print(report)


@commands.command("sink")
def sink(  # noqa: PLR0913, PLR0917 - an option each
    events: Annotated[int, typer.Option(min=1000, help="Events in the log.")] = 400_000,
    organizations: Annotated[int, typer.Option(min=1, help="Organisations that they are spread over.")] = 100,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the log.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender, in turn.")] = 3,
    only: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(STORE_TITLES)}.")] = ",".join(STORE_TITLES),
    worker: Annotated[
        bool, typer.Option("--worker", help="A whole worker alone, once, with its memory every 10 s.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--configured", help="Use the Kafka and ClickHouse of the settings, not ones of its own.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the same log into ClickHouse as the engine alone, our sink, a plain loop and a whole worker do; compare.

    Every run has a process and a database of its own. The clock stops when the last row is durable.
    """
    names, rounds = (["worker"], 1) if worker else (_chosen(only, STORE_TITLES), rounds)
    settings = Settings.from_environment()
    with contextlib.ExitStack() as cleanup:
        if not here:
            settings = cleanup.enter_context(own_services(settings, ("kafka", "clickhouse"), _say))
        report = compare_stores(settings, Load(events, organizations, partitions), rounds, names, _say)
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print_stores(report)


def _print_stores(report: StoreReport) -> None:
    columns = ["", "rows/s", "µs CPU", "x engine", "x plain", "MiB"]
    print_table(_log_of(report), columns, [_store_row(summary) for summary in report.contenders])
    typer.echo(
        "engine alone: the same bytes, prepared before. plain loop: parse, insert rows, commit. µs CPU: processor"
    )
    typer.echo("time of one event in the contender's process, without ClickHouse's. MiB: peak memory of the process.")
    for summary in report.contenders:
        if summary.samples:
            _print_samples(summary)


def _print_samples(summary: StoreSummary) -> None:
    speed = f"{summary.rows_per_second:,.0f} events/s"
    typer.echo(f"{summary.title}: {summary.events:,} events in {summary.seconds:.1f} s, {speed}")
    rows = [(f"{at.seconds:.0f}", at.events, f"{at.rss_bytes / MIB:.0f}", at.remembered_ids) for at in summary.samples]
    print_table("Rows stored, memory of the process, ids in its duplicate filter", ("s", "rows", "MiB", "ids"), rows)


def _store_row(summary: StoreSummary) -> list[object]:
    return [
        summary.title,
        round(summary.rows_per_second),
        f"{summary.cpu_us_per_event:.2f}",
        "" if summary.ratio_to_engine is None else f"{summary.ratio_to_engine:.2f}",
        "" if summary.times_plain is None else f"{summary.times_plain:.2f}",
        summary.peak_rss_bytes // MIB,
    ]


@commands.command("rollups")
def rollups(
    hours: Annotated[
        str, typer.Option(help="Numbers of events in an hour to recompute, comma-separated.")
    ] = "1000000,2000000,5000000",
    organizations: Annotated[int, typer.Option(min=1, help="Organisations that they are spread over.")] = 100,
    stored: Annotated[
        int, typer.Option(min=0, help="Events over 168 hours, for a day and the history; 0 leaves these out.")
    ] = 10_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each; the median counts.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how long snapshots take to compute and to read, in a ClickHouse of its own that goes afterwards."""
    sizes = [part.strip() for part in hours.split(",") if part.strip()]
    if not all(size.isdecimal() and int(size) >= LEAST_EVENTS for size in sizes) or 0 < stored < LEAST_EVENTS:
        raise typer.BadParameter(f"numbers of events are whole numbers from {LEAST_EVENTS} on", param_hint="--hours")
    plan = Plan([int(size) for size in sizes], organizations, stored, rounds)
    report = measure(Settings.from_environment(), plan, _say)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    title = f"{report.organizations} organisations, load average {report.load_before:.1f} to {report.load_after:.1f}"
    rows = [(f.name, f.events, f"{f.median_seconds:.3f}", f"{f.least_seconds:.3f}") for f in report.figures]
    print_table(title, ("", "events stored", "median s", "least s"), rows)


def _chosen(only: str, titles: Collection[str]) -> list[str]:
    names = [name.strip() for name in only.split(",")]
    if unknown := [name for name in names if name not in titles]:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}", param_hint="--only")
    return names


def _log_of(report: Report | StoreReport) -> str:
    return (
        f"{report.events:,} events of {report.event_bytes} bytes, {report.partitions} partitions, "
        f"{report.organizations:,} organisations, median of {report.rounds}"
    )


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _print(report: Report) -> None:
    columns = ["", "events/s", "µs CPU", "x bare", "x Faust", "state", "MiB"]
    rows = [_row(summary) for summary in report.contenders]
    rows += [[TITLES[name], reason, "", "", "", "", ""] for name, reason in report.missing.items()]
    print_table(_log_of(report), columns, rows)
    typer.echo("µs CPU: processor time of one event. x bare: speed in units of fetch and count. state: part of the")
    typer.echo("processor time that goes into table and changelog. MiB: peak memory of the process.")


def _row(summary: Summary) -> list[object]:
    return [
        summary.title,
        round(summary.events_per_second),
        f"{summary.cpu_us_per_event:.2f}",
        "" if summary.ratio_to_bare is None else f"{summary.ratio_to_bare:.2f}",
        "" if summary.times_idiomatic is None else f"{summary.times_idiomatic:.1f}",
        "" if summary.state_share is None else f"{summary.state_share:.1%}",
        summary.peak_rss_bytes // MIB,
    ]
