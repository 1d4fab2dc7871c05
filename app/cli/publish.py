"""`voicemon publish`: events from files or standard input into the log."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.cli.event_topic import AsJson, Bootstrap, Prefix, find_event_topic
from app.publisher import CloseReport, Publisher
from app.publisher.files import FileTally, LinePublisher
from app.publisher.lines import BadLine
from app.runtime.errors import VoicemonError

STANDARD_INPUT = "-"

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files with one JSON object a line; - is standard input.")
]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Events a second; without it as fast as Kafka takes them.")]
Timeout = Annotated[float, typer.Option(min=0, help="Longest wait, in seconds, for a broker that takes nothing.")]


def publish(  # noqa: PLR0913  (one parameter an option)
    files: Files,
    *,
    rate: Rate = None,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Publish events from files, one JSON object a line.

    Plain events get an eventId and a timestamp where they have none and are sent as they are, valid or not. Recorded
    records ({"appendTimeMs", "key", "value" or "valueB64"}) are written byte for byte with that key and Kafka
    timestamp, keys placed as every keyed producer places them, null keys in partition 0; the topic must have
    message.timestamp.type=CreateTime. A line that is no JSON object is reported and skipped, and the exit code is 1.
    """
    for path in files:
        if str(path) != STANDARD_INPUT and not path.is_file():
            raise typer.BadParameter(f"there is no file {path}", param_hint="FILE")
    topic = find_event_topic(bootstrap, topic_prefix)
    publisher = Publisher(topic.bootstrap, topic.prefix, security=topic.security)
    job = LinePublisher(publisher, topic.name, topic.facts, rate, timeout, on_bad=_report_bad_line)
    began = time.monotonic()
    interrupted, problem = False, None
    try:
        with _sigterm_as_ctrl_c(), _progress(job, files):
            for path in files:
                _publish_file(job, path)
    except KeyboardInterrupt:
        interrupted = True
    except VoicemonError as error:
        problem = error
    report = publisher.close(timeout)
    _print_summary(job.tally, report, time.monotonic() - began, interrupted, as_json)
    if problem is not None:
        raise problem
    if interrupted or job.tally.bad or report.stats.dropped_total:
        raise typer.Exit(1)


def _publish_file(job: LinePublisher, path: Path) -> None:
    if str(path) == STANDARD_INPUT:
        job.publish("standard input", sys.stdin.buffer)
        return
    with path.open("rb") as lines:
        job.publish(str(path), lines)


def _report_bad_line(name: str, line: BadLine) -> None:
    typer.echo(f"voicemon: {name}, line {line.number}: {line.problem}; skipped", err=True)


@contextmanager
def _progress(job: LinePublisher, files: list[Path]) -> Iterator[None]:
    """A bar on standard error, only for people."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    size = None if Path(STANDARD_INPUT) in files else sum(path.stat().st_size for path in files)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("bytes published", total=size)
        job.on_line = lambda count: progress.advance(task, count)
        yield


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C, with a summary; reading standard input cannot be left otherwise."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_summary(tally: FileTally, report: CloseReport, seconds: float, interrupted: bool, as_json: bool) -> None:
    summary = {
        **asdict(tally),
        "delivered": report.stats.delivered,
        "undelivered": report.undelivered,
        "dropped": dict(report.stats.dropped),
        "seconds": round(seconds, 3),
        "interrupted": interrupted,
    }
    if as_json:
        typer.echo(json.dumps(summary))
        return
    typer.echo(
        f"{report.stats.delivered} of {tally.lines} lines delivered in {seconds:.1f} s, {tally.bad} bad, "
        f"{report.stats.dropped_total} not delivered{', interrupted' if interrupted else ''}."
    )
