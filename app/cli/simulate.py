"""`voicemon simulate`: publishers that do not exist."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.event_topic import AsJson, Bootstrap, EventTopic, Prefix, find_event_topic
from app.publisher import CloseReport, Publisher
from app.runtime.clock import SystemClock
from app.runtime.errors import VoicemonError
from app.runtime.organization_records import publish_names
from app.simulator import SimulationOptions, SimulationSummary, organization_names, run_simulation

CLOSE_SECONDS = 30.0

Rate = Annotated[float, typer.Option(min=0.01, max=100_000, help="Records a second, resends included.")]
Seconds = Annotated[float, typer.Option(min=0, help="How long; 0 is until Ctrl-C.")]
Organisations = Annotated[int, typer.Option(min=1, max=999, help="Number of organisations.")]
Seed = Annotated[int, typer.Option(help="The same seed and start time give the same events.")]
FailureRate = Annotated[float, typer.Option(min=0, max=1, help="Share of the artifacts that fail at some stage.")]
DuplicateRate = Annotated[float, typer.Option(min=0, max=1, help="Share of the events that are sent once more.")]
LateRate = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the artifacts that are sent minutes to hours after they happened.")
]


def simulate(  # noqa: PLR0913  (one parameter an option)
    *,
    rate: Rate = 50.0,
    seconds: Seconds = 30.0,
    organisations: Organisations = 5,
    seed: Seed = 1,
    failure_rate: FailureRate = 0.05,
    duplicate_rate: DuplicateRate = 0.0,
    late_rate: LateRate = 0.0,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Publish simulated artifacts that go through all stages, in real time."""
    options = SimulationOptions(rate, seconds or None, organisations, seed, failure_rate, duplicate_rate, late_rate)
    topic = find_event_topic(bootstrap, topic_prefix)
    _name_organisations(topic, organisations)
    publisher = Publisher(topic.bootstrap, topic.prefix, security=topic.security)
    with _stop_on_signals() as stop:
        summary = run_simulation(publisher, options, SystemClock(), stop)
        report = publisher.close(CLOSE_SECONDS)
    _print_summary(summary, report, as_json)
    if report.stats.dropped_total:
        raise typer.Exit(1)


def _name_organisations(topic: EventTopic, count: int) -> None:
    """Publish their names; events are worth sending without them, too."""
    kafka = topic.security.model_copy(update={"bootstrap": topic.bootstrap, "topic_prefix": topic.prefix})
    try:
        asyncio.run(publish_names(kafka, organization_names(count)))
    except VoicemonError as error:
        typer.echo(f"Organisations have no names: {error}", err=True)


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the program as usual."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        restore()


def _print_summary(summary: SimulationSummary, report: CloseReport, as_json: bool) -> None:
    if as_json:
        result = asdict(summary) | {"delivered": report.stats.delivered, "undelivered": report.undelivered}
        typer.echo(json.dumps(result))
        return
    typer.echo(
        f"{summary.published} records published in {summary.seconds:.1f} s: {summary.distinct} events "
        f"({summary.late} late) of {summary.artifacts} artifacts ({summary.unfinished_artifacts} unfinished), "
        f"{summary.duplicates} resends; {report.stats.delivered} delivered, {report.stats.dropped_total} dropped."
    )
