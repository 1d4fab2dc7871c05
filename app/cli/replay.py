"""`voicemon replay`: read the log again into ClickHouse."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from app.cli.output import print_json
from app.cli.period import check_order, parse_time, show_moment
from app.cli.progress import progress_bars
from app.domain.windows import HOUR_MS
from app.replay.question import Question
from app.replay.run import Replay, Result
from app.runtime.clock import SystemClock
from app.runtime.leave import leave
from app.runtime.logs import configure_logs
from app.runtime.settings import Settings
from sinks.clickhouse.sink import ClickHouseSink

From = Annotated[
    int | None, typer.Option("--from", parser=parse_time, metavar="TIME", help="Records appended from then on.")
]
To = Annotated[int | None, typer.Option("--to", parser=parse_time, metavar="TIME", help="Records appended before.")]
Partition = Annotated[int | None, typer.Option(min=0, help="This partition only.")]
FromOffset = Annotated[int | None, typer.Option(min=0, help="First offset, with --partition.")]
ToOffset = Annotated[int | None, typer.Option(min=0, help="Last offset, inclusive, with --partition.")]
Restart = Annotated[bool, typer.Option("--restart", help="From the beginning, also if an earlier run got further.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
FAILED = 1


def replay(  # noqa: PLR0913  (one parameter an option)
    *,
    from_ms: From = None,
    to_ms: To = None,
    partition: Partition = None,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    restart: Restart = False,
    as_json: Json = False,
) -> None:
    """Read voice-events again into ClickHouse, by time or by the offsets of a partition.

    Rows that are missing come back, rows that are there stay as they are; a row that ClickHouse refuses becomes a dead
    letter. Live counters and the workers' commits are not touched. Ctrl-C stops it; the same command goes on from
    there.
    """
    question = _question(Question(from_ms, to_ms, partition, from_offset, to_offset))
    settings = Settings.from_environment()
    configure_logs(settings.log.level, json_lines=False)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with progress_bars() as show:
        sink = ClickHouseSink(settings.clickhouse)
        run = Replay(settings, question, sink, SystemClock(), show)
        try:
            asyncio.run(_closing(sink, run.run(restart=restart)))
            is_done = True
        except KeyboardInterrupt:
            is_done = False
    if as_json:
        print_json(_as_json(run.result, is_done))
    else:
        _print(run.result, is_done)
        _print_limits(run.result, settings, is_done)
    # Now, as it would else wait for an insert that ClickHouse does not answer.
    leave(0 if is_done and not run.result.refused else FAILED)


async def _closing(sink: ClickHouseSink, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    finally:
        await sink.close()


def _question(asked: Question) -> Question:
    if asked == Question():
        raise typer.BadParameter("say what to read again: --from and --to, or --partition")
    if asked.partition is None and (asked.from_offset is not None or asked.to_offset is not None):
        raise typer.BadParameter("--from-offset and --to-offset need --partition")
    check_order(asked.from_ms, asked.to_ms)
    if asked.from_offset is not None and asked.to_offset is not None and asked.to_offset < asked.from_offset:
        raise typer.BadParameter("--to-offset must not be less than --from-offset")
    return asked


def _print(result: Result, is_done: bool) -> None:
    typer.echo(
        f"{result.records:,} records read: {result.rows:,} rows, {result.duplicates:,} duplicates, "
        f"{result.dead_letters:,} refused as before."
    )
    if result.resumed:
        typer.echo(f"{result.resumed:,} offsets were done by an earlier run; --restart reads them again.")
    if result.refused:
        places = ", ".join(f"{partition}:{offset}" for partition, offset in result.refused[:20])
        typer.echo(
            f"ClickHouse refused {len(result.refused):,} rows, which are dead letters now (partition:offset): {places}"
        )
    if not is_done:
        typer.echo("Stopped. The same command goes on from here.")


def _print_limits(result: Result, settings: Settings, is_done: bool) -> None:
    """What this replay cannot bring back."""
    for cut in result.cut:
        typer.echo(
            f"The log of partition {cut.partition} begins at offset {cut.first_offset}, appended "
            f"{show_moment(cut.append_time_ms)}: what was before is deleted and does not come back."
        )
    hours = settings.retention.events_hours
    if result.oldest_ms is not None and result.oldest_ms < SystemClock().now_ms() - hours * HOUR_MS:
        typer.echo(f"Rows of events that are older than {hours} h are stored, but no reader shows them any more.")
    if is_done and not (result.records or result.resumed):
        typer.echo("The log has no records in this range.")


def _as_json(result: Result, is_done: bool) -> dict[str, Any]:
    return {
        "complete": is_done,
        "records": result.records,
        "rows": result.rows,
        "duplicates": result.duplicates,
        "deadLetters": result.dead_letters,
        "refusedByStore": [{"partition": partition, "offset": offset} for partition, offset in result.refused],
        "resumedOffsets": result.resumed,
        "cut": [
            {"partition": cut.partition, "firstOffset": cut.first_offset, "appendTime": cut.append_time_ms}
            for cut in result.cut
        ],
    }
