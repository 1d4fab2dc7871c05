"""`voicemon demo`: everything on this machine."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from app.cli.output import print_json
from app.demo.places import Addresses, demo_settings
from app.demo.run import Audience, run_demo
from app.demo.screen import Screen
from app.demo.summary import DemoSummary
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings
from app.simulator import SimulationOptions

DUPLICATE_RATE = 0.02
LATE_RATE = 0.05

Seconds = Annotated[float, typer.Option("--seconds", min=0, help="How long to publish; 0 is until Ctrl-C.")]
Ports = Annotated[
    Literal["settings", "auto"],
    typer.Option(
        "--ports", help="settings: those of the settings where they are free, else free ones; auto: always free ones."
    ),
]
Rate = Annotated[float, typer.Option("--rate", min=0.01, max=100_000, help="Records a second, resends included.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder that keeps the data. [default: demo in VOICEMON_LOCAL_DATA_DIR]")
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object; all else goes to stderr.")]


def demo(
    seconds: Seconds = 0.0, ports: Ports = "settings", rate: Rate = 50.0, data: Data = None, as_json: Json = False
) -> None:
    """Run Kafka, ClickHouse, a worker and simulated publishers, and show the counters move.

    It ends after --seconds or at Ctrl-C with a summary of this run: events published, counted and stored. Exit code 1
    if they differ at the end of --seconds. The data stay for the next run.
    """
    settings = demo_settings(Settings.from_environment(), data, auto_ports=ports == "auto")
    options = SimulationOptions(rate, seconds or None, duplicate_rate=DUPLICATE_RATE, late_rate=LATE_RATE)
    screen = Screen(Console(stderr=as_json))
    with _Interruption().handled() as interruption:
        try:
            summary = _run(settings, options, screen, interruption)
        except KeyboardInterrupt:
            screen.say("Stopped before the first event was published.")
            if as_json:
                print_json({"interrupted": True})
            return
    _print(summary, screen, as_json)
    if summary.problems() and not summary.interrupted:
        raise typer.Exit(1)


class _Interruption:
    """SIGINT, SIGTERM and SIGHUP: KeyboardInterrupt once while the demo starts, later a flag that ends it in order."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._raises = True

    def __call__(self, _number: int, _frame: object) -> None:
        self.stop.set()
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt

    def has_started(self) -> None:
        """From now on signals set the flag only."""
        self._raises = False

    @contextmanager
    def handled(self) -> Iterator["_Interruption"]:
        """The signals come here while the block runs."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [(number, signal.signal(number, self)) for number in numbers]
        try:
            yield self
        finally:
            for number, handler in before:
                signal.signal(number, handler)


def _run(settings: Settings, options: SimulationOptions, screen: Screen, interruption: _Interruption) -> DemoSummary:
    def started(addresses: Addresses) -> None:
        interruption.has_started()
        for line in addresses.lines(settings):
            screen.say(line)
        end = f"for {options.seconds:g} s" if options.seconds else "until Ctrl-C"
        screen.say(f"Publishing {options.rate:g} events a second {end}.")

    with screen.running():
        return run_demo(settings, options, SystemClock(), interruption.stop, Audience(screen.say, started, screen.show))


def _print(summary: DemoSummary, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(summary.as_json())
        return
    for line in summary.sentences():
        screen.say(line)
