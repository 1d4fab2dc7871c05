"""`voicemon audit`: recount the log, and compare counters, dead letters and stored rows with it."""

import logging
import sys
from typing import Annotated

import typer

from app.audit.report import Report
from app.audit.run import Question
from app.audit.run import audit as run_audit
from app.cli.output import print_json, print_table
from app.cli.period import check_order, parse_time, show_time
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings

From = Annotated[
    int | None,
    typer.Option("--from", parser=parse_time, metavar="TIME", help="Records appended from then on. [default: all]"),
]
To = Annotated[
    int | None, typer.Option("--to", parser=parse_time, metavar="TIME", help="Records appended before. [default: all]")
]
Worker = Annotated[
    list[str] | None,
    typer.Option("--worker", metavar="URL", help="A worker; repeatable. [default: VOICEMON_WEB_HOST and …_PORT]"),
]
Counters = Annotated[bool, typer.Option(help="Compare the workers' counters.")]
Store = Annotated[bool, typer.Option(help="Compare the rows of ClickHouse.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
HOUR_COLUMNS = ("Hour", "Log", "Stored", "Missing", "Extra", "Differing", "Refused", "Ids under several keys")
PARTITION_COLUMNS = ("Partition", "Offsets", "Records", "Accepted", "Duplicates", "Dead letters", "Late")


def audit(  # noqa: PLR0913  (one parameter an option)
    *,
    from_ms: From = None,
    to_ms: To = None,
    worker: Worker = None,
    counters: Counters = True,
    store: Store = True,
    as_json: Json = False,
) -> None:
    """Recount the log with a plain consumer and compare it with what the monitor says.

    Counters are compared at the offsets that each worker's answer carries, dead letters and rows up to the group's
    commits: it may run under load. --from and --to bound records, dead letters and rows, not the live counters. Exits
    with 1 if anything differs. Progress goes to stderr.
    """
    check_order(from_ms, to_ms)
    settings = Settings.from_environment()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    urls = (worker or [f"http://{settings.web.host}:{settings.web.port}"]) if counters else []
    report = run_audit(settings, Question(from_ms, to_ms, urls, store), SystemClock(), _say)
    if as_json:
        print_json(report.as_json())
    else:
        _print(report)
    if not report.is_clean:
        raise typer.Exit(1)


def _say(text: str) -> None:
    sys.stderr.write(f"audit: {text}\n")


def _print(report: Report) -> None:
    rows = [
        (
            at.partition,
            _offsets(at.first_offset, at.last_offset),
            at.records,
            at.accepted,
            at.duplicates,
            at.refused,
            at.late,
        )
        for at in report.partitions
    ]
    print_table("Log: accepted + duplicates + dead letters = records", PARTITION_COLUMNS, rows)
    if report.workers:
        workers = [(worker.url, worker.counters, worker.differing) for worker in report.workers]
        print_table("Counters at the offsets of each answer", ("Worker", "Compared", "Differing"), workers)
    if report.hours is not None:
        hours = [
            (
                show_time(hour.hour_ms),
                hour.expected,
                hour.stored,
                hour.missing,
                hour.extra,
                hour.differing,
                hour.refused,
                hour.id_conflicts,
            )
            for hour in report.hours
        ]
        print_table("Rows by hour", HOUR_COLUMNS, hours)
    notes = report.notes
    print_table(
        "No failures",
        ("What", "Number"),
        [
            ("copies across partitions", notes.copies_across_partitions),
            ("late events", notes.late),
            ("repeated dead letters", notes.repeated_dead_letters),
            ("refused by the store", notes.refused_by_store),
            ("removed copies", notes.removed_copies),
            ("ids under several keys", "-" if notes.id_conflicts is None else notes.id_conflicts),
            ("rows of frozen hours", "-" if notes.frozen_rows is None else sum(notes.frozen_rows.values())),
        ],
    )
    for hour_ms, late in (notes.frozen_rows or {}).items():
        typer.echo(f"frozen: {late:,} rows of {show_time(hour_ms)} came after its snapshot, which stays as it is")
    for row in notes.refused:
        scope = "" if row.organization_id is None else f" of {row.organization_id!r}"
        typer.echo(
            f"refused by the store: partition {row.partition}, offset {row.offset}, event {row.event_id}; the live "
            f"counts{scope} in window {show_time(row.window_ms)} have it"
        )
    _print_differences(report)


def _print_differences(report: Report) -> None:
    differences = report.differences
    if report.is_clean:
        typer.echo("No difference.")
        return
    for one in differences.listed:
        place = "" if one.partition is None else f" partition {one.partition}:"
        typer.echo(f"{one.kind}:{place} {one.text}")
    hidden = differences.total - len(differences.listed)
    typer.echo(f"{differences.total:,} differences" + (f", {hidden:,} of them not listed." if hidden else "."))


def _offsets(first: int | None, last: int | None) -> str:
    return "none" if first is None else f"{first} to {last}"
