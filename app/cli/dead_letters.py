"""`voicemon dead-letters …`: look at refused records, and send them again once the reason is mended."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from app.cli.output import print_json, print_table
from app.cli.period import parse_time, show_moment
from app.dead_letters.letters import Filters, Letter, find_letters
from app.dead_letters.retry import Plan, plan_retry
from app.dead_letters.retry import retry as send_again
from app.domain.rejects import RejectReason
from app.runtime.clock import SystemClock
from app.runtime.log_reader import log_reader
from app.runtime.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Records that were refused.")

Reason = Annotated[list[RejectReason] | None, typer.Option("--reason", help="Only this reason; repeatable.")]
From = Annotated[
    int | None, typer.Option("--from", parser=parse_time, metavar="TIME", help="Records appended from then on.")
]
To = Annotated[int | None, typer.Option("--to", parser=parse_time, metavar="TIME", help="Records appended before.")]
Partition = Annotated[int | None, typer.Option(min=0, help="Partition of voice-events that the record stands in.")]
FromOffset = Annotated[int | None, typer.Option(min=0, help="Records of voice-events at this offset or later.")]
ToOffset = Annotated[int | None, typer.Option(min=0, help="Records of voice-events at this offset or before.")]
EventId = Annotated[str | None, typer.Option(help="Only this eventId.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Most lines.")]
Cursor = Annotated[str | None, typer.Option(help="Where the list before ended: it says so.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@commands.command("list")
def list_letters(  # noqa: PLR0913  (one parameter an option)
    *,
    reason: Reason = None,
    from_ms: From = None,
    to_ms: To = None,
    partition: Partition = None,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    event_id: EventId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """Refused records, oldest first, each once, however often a crash has repeated its dead letter.

    The preview shows keys, numbers, ids and types; other texts only by their length, because they may be somebody's
    words. kcat shows the bytes.
    """
    filters = _filters(reason, (from_ms, to_ms), partition, (from_offset, to_offset), event_id)
    start = 0 if cursor is None else _start(cursor)
    letters = asyncio.run(_find(Settings.from_environment(), filters))
    page = letters[start : start + limit]
    following = str(start + limit) if len(letters) > start + limit else ""
    if as_json:
        print_json({"page": [_as_json(letter) for letter in page], "total": len(letters), "continueCursor": following})
        return
    rows = [(str(at.source), show_moment(at.at_ms), at.reason, _marks(at), at.detail, at.preview) for at in page]
    print_table(f"{len(letters):,} dead letters", ("Source", "Appended", "Reason", "State", "Detail", "Preview"), rows)
    if following:
        typer.echo(f"More with --cursor {following}")


@commands.command("retry")
def retry(  # noqa: PLR0913  (one parameter an option)
    *,
    reason: Reason = None,
    from_ms: From = None,
    to_ms: To = None,
    partition: Partition = None,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    event_id: EventId = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also records that were sent again and refused again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Send refused records to voice-events again, byte for byte, into their partition, each once.

    They get the header retried-from. A record that is refused again gets a new dead letter and is not sent a third
    time unless --again says so. Says first how many would be refused for their age.
    """
    filters = _filters(reason, (from_ms, to_ms), partition, (from_offset, to_offset), event_id)
    settings = Settings.from_environment()
    letters = asyncio.run(_find(settings, filters))
    plan = plan_retry(letters, settings, SystemClock().now_ms(), again=again)
    if not as_json:
        _tell(plan)
    if plan.send and not dry_run and not yes:
        _ask()
    sent = 0 if dry_run or not plan.send else asyncio.run(_retry(settings, plan))
    if as_json:
        print_json(_plan_json(plan) | {"sent": sent})
    else:
        typer.echo("Nothing was sent." if not sent else f"{sent:,} records sent.")


def _filters(
    reasons: list[RejectReason] | None,
    times: tuple[int | None, int | None],
    partition: int | None,
    offsets: tuple[int | None, int | None],
    event_id: str | None,
) -> Filters:
    if times[0] is not None and times[1] is not None and times[1] <= times[0]:
        raise typer.BadParameter("--to must be later than --from")
    if offsets != (None, None) and partition is None:
        raise typer.BadParameter("--from-offset and --to-offset need --partition: offsets count in each partition")
    return Filters([one.value for one in reasons or ()], *times, partition, offsets, event_id)


def _start(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal()):
        raise typer.BadParameter(f"{cursor!r} is no cursor: use the one that the list before ended with")
    return int(cursor)


async def _find(settings: Settings, filters: Filters) -> list[Letter]:
    async with log_reader(settings.kafka) as reader:
        return await find_letters(reader, settings.kafka, filters)


async def _retry(settings: Settings, plan: Plan) -> int:
    total = len(plan.send)

    def say(sent: int) -> None:
        sys.stderr.write(f"dead-letters retry: {sent:,} of {total:,} sent\n")

    async with log_reader(settings.kafka) as reader:
        return await send_again(reader, settings, plan.send, say)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is there to ask: say --yes to send them, or --dry-run to look only")
    typer.confirm("Send them?", abort=True)


def _tell(plan: Plan) -> None:
    typer.echo(f"{len(plan.send):,} records would be sent again.")
    lines = {
        "are older than the accepted age and would be refused again": plan.too_old,
        "more were sent again before": plan.done,
        "more were refused after they had been sent again (--again sends them)": plan.failed_again,
        "more were too large for a dead letter and are not complete": plan.cut,
    }
    for text, count in lines.items():
        if count:
            typer.echo(f"  {count:,} {text}")


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "chosen": len(plan.send),
        "tooOld": plan.too_old,
        "sentBefore": plan.done,
        "refusedAgain": plan.failed_again,
        "notComplete": plan.cut,
    }


def _marks(letter: Letter) -> str:
    marks = {"sent again": letter.is_retried, "refused again": letter.is_retry, "cut": letter.is_cut}
    return ", ".join(mark for mark, is_so in marks.items() if is_so) or "new"


def _as_json(letter: Letter) -> dict[str, Any]:
    event = {"eventId": letter.event_id} if letter.event_id else {}
    return {
        "sourcePartition": letter.source.partition,
        "sourceOffset": letter.source.offset,
        "appendedAt": letter.at_ms,
        "reason": letter.reason,
        "detail": letter.detail,
        **event,
        "copies": letter.copies,
        "isSentAgain": letter.is_retried,
        "isRefusedAgain": letter.is_retry,
        "isCut": letter.is_cut,
        "preview": letter.preview,
    }
