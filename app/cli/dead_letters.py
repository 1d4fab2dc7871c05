"""`voicemon dead-letters`: look at refused records, and send them again."""

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.cli.output import print_json, print_table
from app.cli.period import check_order, parse_time, show_moment
from app.cli.progress import progress_bars
from app.dead_letters.choice import Choice
from app.dead_letters.letters import Place
from app.dead_letters.listing import Entry, Page, list_letters
from app.dead_letters.retry import Plan, Retry
from app.domain.rejects import RejectReason
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Look at refused records, and send them again.")

Reasons = Annotated[
    list[RejectReason] | None, typer.Option("--reason", help="Only with this reason; repeatable.", show_default=False)
]
From = Annotated[
    int | None, typer.Option("--from", parser=parse_time, metavar="TIME", help="Refused from then on. [default: all]")
]
To = Annotated[
    int | None, typer.Option("--to", parser=parse_time, metavar="TIME", help="Refused before. [default: all]")
]
Partition = Annotated[int | None, typer.Option(min=0, help="Refused in this partition of voice-events.")]
Offsets = Annotated[
    str | None,
    typer.Option("--source-offset", metavar="N|N-M", help="Refused at this offset, or from N to M, both inclusive."),
]
EventIds = Annotated[list[str] | None, typer.Option("--event-id", help="With this eventId; repeatable.")]
Cursor = Annotated[str | None, typer.Option(help="Where the next page begins: the cursor of the page before.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _choice(**given: Any) -> Choice:
    from_ms, to_ms = given["from_ms"], given["to_ms"]
    check_order(from_ms, to_ms)
    first, last = _offsets(given["offsets"])
    return Choice(
        reasons=tuple(reason.value for reason in given["reason"] or ()),
        from_ms=from_ms,
        to_ms=to_ms,
        partition=given["partition"],
        from_offset=first,
        to_offset=last,
        event_ids=tuple(event_id.lower() for event_id in given["event_id"] or ()),
    )


def _offsets(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise typer.BadParameter(f"--source-offset {text!r} is no offset: use 1200 or 1200-1300")
    if dash and int(last) < int(first):
        raise typer.BadParameter("--source-offset ends before it begins")
    return int(first), int(last if dash else first)


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    partition, _, offset = cursor.partition("-")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"--cursor {cursor!r} is none: use the cursor that the page before has printed")
    return Place(int(partition), int(offset))


@commands.command("list")
def list_command(  # noqa: PLR0913  (one parameter an option)
    *,
    reason: Reasons = None,
    from_ms: From = None,
    to_ms: To = None,
    partition: Partition = None,
    offsets: Offsets = None,
    event_id: EventIds = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most records on a page.")] = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List refused records, oldest first in each partition of the dead-letter topic.

    A record that was refused several times, as after a crash, is one line with its number of dead letters. Values are
    masked: of texts only the length is shown, except ids of events and names of types, stages and statuses; numbers
    are shown where events have numbers; unknown keys are only counted.
    """
    choice = _choice(
        reason=reason, from_ms=from_ms, to_ms=to_ms, partition=partition, offsets=offsets, event_id=event_id
    )
    after, settings = _place(cursor), Settings.from_environment()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    page = asyncio.run(list_letters(settings.kafka, choice, limit, after))
    if as_json:
        print_json({"deadLetters": [_as_json(entry) for entry in page.entries], "cursor": page.cursor})
    else:
        _print(page)


@commands.command("retry")
def retry(  # noqa: PLR0913  (one parameter an option)
    *,
    reason: Reasons = None,
    from_ms: From = None,
    to_ms: To = None,
    partition: Partition = None,
    offsets: Offsets = None,
    event_id: EventIds = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them, where no other option chooses.")] = False,
    failed_again: Annotated[
        bool, typer.Option("--failed-again", help="Also records that were sent again before and refused again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent and send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Send refused records to voice-events again, byte for byte with their key and headers.

    Each gets the header voicemon-retried-from with the place of its dead letter, and no record is sent twice. Those
    whose value was cut cannot be sent; those refused by the store are counted already and come back with
    'voicemon replay'.
    """
    choice = _choice(
        reason=reason, from_ms=from_ms, to_ms=to_ms, partition=partition, offsets=offsets, event_id=event_id
    )
    _refuse_wrong_use(is_chosen=everything or not choice.is_everything, asks=not (yes or dry_run), as_json=as_json)
    settings = Settings.from_environment()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    def run(work: Callable[[Retry], Any]) -> Any:
        with progress_bars() as show:
            return asyncio.run(work(Retry(settings, choice, SystemClock(), show, with_failed_again=failed_again)))

    plan: Plan = run(lambda it: it.plan())
    if not as_json:
        _print_plan(plan, settings.ingest.max_age_hours)
    sent = 0
    if plan.chosen and not dry_run:
        if not yes:
            typer.confirm(f"Send {len(plan.chosen):,} records again?", abort=True)
        sent = run(lambda it: it.send(plan))
    if as_json:
        print_json(_plan_as_json(plan) | {"sent": sent})
    elif not dry_run:
        typer.echo(f"{sent:,} records were sent again.")
        if sent < len(plan.chosen):
            typer.echo(f"{len(plan.chosen) - sent:,} have been sent by another run since they were listed: left out.")


def _refuse_wrong_use(*, is_chosen: bool, asks: bool, as_json: bool) -> None:
    if not is_chosen:
        raise typer.BadParameter("choose with --reason, --from, --partition, --source-offset, --event-id, or say --all")
    if asks and as_json:
        raise typer.BadParameter("--json cannot ask: say --yes or --dry-run with it")
    if asks and not sys.stdin.isatty():
        raise typer.BadParameter("nobody is there to ask: say --yes to send, or --dry-run")


def _as_json(entry: Entry) -> dict[str, Any]:
    return {
        "deadLetter": str(entry.place),
        "sourcePartition": entry.source.partition,
        "sourceOffset": entry.source.offset,
        "refusedAt": entry.refused_ms,
        "appendTime": entry.append_time_ms,
        "reason": entry.reason,
        "detail": entry.detail,
        "preview": entry.preview,
        "truncated": entry.is_truncated,
        "retriedFrom": entry.retried_from,
        "copies": entry.copies,
    }


def _print(page: Page) -> None:
    rows = [
        (
            str(entry.place),
            f"{entry.source.partition}:{entry.source.offset}",
            show_moment(entry.refused_ms),
            entry.reason,
            entry.copies,
            entry.retried_from or "-",
            ("(cut) " if entry.is_truncated else "") + entry.preview,
        )
        for entry in page.entries
    ]
    columns = ("Dead letter", "Source", "Refused", "Reason", "Letters", "Sent again from", "Value, masked")
    print_table("Dead letters", columns, rows)
    if page.cursor is not None:
        typer.echo(f"More: --cursor {page.cursor}")


def _plan_as_json(plan: Plan) -> dict[str, Any]:
    found = asdict(plan)
    return {
        "chosen": len(plan.chosen),
        "wouldBeRefusedAgain": dict(plan.again),
        "tooOld": plan.too_old,
        "truncated": found["truncated"],
        "retriedBefore": found["retried_before"],
        "failedAgain": found["failed_again"],
        "onlyByReplay": found["only_by_replay"],
    }


def _print_plan(plan: Plan, hours: int) -> None:
    typer.echo(f"{len(plan.chosen):,} records to send again.")
    lines = [
        (plan.too_old, f"of them are more than {hours} h old and would be refused again."),
        (plan.again.total() - plan.too_old, "of them would be refused again by the present rules for other reasons."),
        (plan.retried_before, "were sent again before: left out."),
        (plan.failed_again, "were sent again and refused again: left out, --failed-again includes them."),
        (plan.truncated, "cannot be sent: only the beginning of their value was kept."),
        (plan.only_by_replay, "were refused by the store and are counted already: use 'voicemon replay'."),
    ]
    for number, text in lines:
        if number:
            typer.echo(f"{number:,} {text}")
