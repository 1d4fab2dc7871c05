"""`voicemon erase`: delete what is stored of an organisation, a person or an artifact."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from app.cli.output import print_json, print_table
from app.runtime.organization_records import publish_names
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.erasure import SECONDS, Erasure, Kind, Subject, TableRows

Organisation = Annotated[
    str | None,
    typer.Option("--organisation", "--organization", help="Everything of this organisation.", metavar="ID"),
]
Coach = Annotated[
    str | None,
    typer.Option("--coach", help="Everything of this coach (coachUserId) and their artifacts.", metavar="ID"),
]
Artifact = Annotated[str | None, typer.Option("--artifact", help="Everything of this artifact.", metavar="ID")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count the rows and delete nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Delete without asking.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

REMAINS = (
    "records in Kafka (voice-events, voice-events-dead-letter) until the topics' retention ends: do not replay their "
    "time, and retry no dead letters of theirs before",
    "live counters of an organisation, until their windows are dropped some hours after their end",
    "sums over the whole platform, in which nobody can be told from others",
    "backups of ClickHouse; and, for some minutes, replaced files on its disks",
)


def erase(  # noqa: PLR0913, PLR0917  (one parameter an option)
    organisation: Organisation = None,
    coach: Coach = None,
    artifact: Artifact = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete what ClickHouse holds of an organisation, a coach or an artifact, for good.

    An artifact with an event of them goes with all its events; an organisation's snapshots and name go, too. Run it
    when workers have stored everything ('voicemon lag' is 0). Exit code 1 if rows are left.
    """
    subject = _subject(organisation, coach, artifact)
    _refuse_wrong_use(asks=not (yes or dry_run), as_json=as_json)
    settings = Settings.from_environment()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    store = settings.clickhouse.model_copy(update={"request_timeout_seconds": SECONDS})
    client = connect(store)
    try:
        erasure = Erasure(client, store, subject)
        before = erasure.count()
        if not as_json:
            _print_counts(subject, before)
        left = before
        if not dry_run and _total(before):
            if not yes:
                typer.confirm(f"Delete {_total(before):,} rows for good?", abort=True)
            _delete_name(settings, subject, before)
            left = erasure.erase()
    finally:
        client.close()
    _tell(subject, before, left, dry_run=dry_run, as_json=as_json)
    if not dry_run and _total(left):
        raise typer.Exit(1)


def is_answered() -> bool:
    """True if a person sits at the terminal."""
    return sys.stdin.isatty()


def _subject(organisation: str | None, coach: str | None, artifact: str | None) -> Subject:
    given = {Kind.ORGANISATION: organisation, Kind.COACH: coach, Kind.ARTIFACT: artifact}
    named = [Subject(kind, name) for kind, name in given.items() if name is not None]
    if len(named) != 1 or not named[0].id:
        raise typer.BadParameter("name one of --organisation, --coach and --artifact, with an id")
    return named[0]


def _refuse_wrong_use(*, asks: bool, as_json: bool) -> None:
    if asks and as_json:
        raise typer.BadParameter("--json cannot ask: say --yes or --dry-run with it")
    if asks and not is_answered():
        raise typer.BadParameter("nobody is there to ask: say --yes to delete, or --dry-run")


def _delete_name(settings: Settings, subject: Subject, before: Sequence[TableRows]) -> None:
    """Delete an organisation's name where workers read it from, else they would write it again."""
    if any(one.table == "organization_names" and one.rows for one in before):
        asyncio.run(publish_names(settings.kafka, {subject.id: None}))


def _total(counts: Sequence[TableRows]) -> int:
    return sum(one.rows for one in counts)


def _print_counts(subject: Subject, counts: Sequence[TableRows]) -> None:
    print_table(
        f"{subject.kind.capitalize()} {subject.id!r}", ("Table", "Rows"), [(one.table, one.rows) for one in counts]
    )


def _tell(
    subject: Subject, before: Sequence[TableRows], left: Sequence[TableRows], *, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        print_json(_as_json(subject, before, left, dry_run))
        return
    if not _total(before):
        typer.echo("Nothing is stored. Elsewhere there may be:")
    elif dry_run:
        typer.echo("Nothing was deleted. Would stay in any case:")
    elif not _total(left):
        typer.echo(f"Deleted {_total(before):,} rows; none is left. What stays:")
    else:
        rest = ", ".join(f"{one.table} {one.rows:,}" for one in left if one.rows)
        typer.echo(f"Rows came while others were deleted, left are: {rest}. Run it again when 'voicemon lag' is 0.")
    for one in REMAINS:
        typer.echo(f"- {one}")


def _as_json(subject: Subject, before: Sequence[TableRows], left: Sequence[TableRows], dry_run: bool) -> dict[str, Any]:
    after = {one.table: one.rows for one in left}
    return {
        subject.kind.value: subject.id,
        "dryRun": dry_run,
        "tables": [{"table": one.table, "before": one.rows, "after": after[one.table]} for one in before],
        "remains": list(REMAINS),
    }
