"""`voicemon top`: the overview in the terminal, live."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live

from app.cli.asked_worker import Url, asked_worker
from app.cli.output import print_json
from app.cli.overview import Overview, ask_overview
from app.cli.top_screen import screen
from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings
from app.runtime.worker_client import WorkerClient

REDRAW_SECONDS = 0.5
"""Ages grow, and the window may have another size."""

Once = Annotated[bool, typer.Option("--once", help="Print it once and end.")]
Json = Annotated[bool, typer.Option("--json", help="Print it once as one JSON object.")]
Interval = Annotated[float, typer.Option("--interval", min=0.2, max=3600.0, help="Seconds between two looks.")]
Organization = Annotated[str | None, typer.Option("--organization", help="One organisation; without it the platform.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="File with the access token and nothing else. [default: VOICEMON_WEB_CLIENT_TOKEN]"
    ),
]


def top(  # noqa: PLR0913, PLR0917  (one parameter for each option)
    once: Once = False,
    as_json: Json = False,
    interval: Interval = 2.0,
    organization: Organization = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Show counters, rates, lag, readiness, newest errors and stuck artifacts; q or Ctrl-C ends it."""
    web = Settings.from_environment().web
    client = asked_worker(web, url, None if token_file is None else _token(token_file))
    if as_json:
        print_json(msgspec.to_builtins(ask_overview(client, organization)))
    elif once or not sys.stdout.isatty():
        Console().print(screen(ask_overview(client, organization), _now_ms()))
    else:
        _follow(client, organization, interval)


def _follow(client: WorkerClient, organization: str | None, interval: float) -> None:
    """Show it again and again until the user has enough; a worker that goes away is waited for."""
    looks = _Looks(lambda: ask_overview(client, organization), interval)
    with _keys() as is_over, Live(screen=True, auto_refresh=False) as live:
        while True:
            found, problem = looks.latest()
            live.update(screen(found, _now_ms(), problem), refresh=True)
            if is_over(REDRAW_SECONDS):
                return


class _Looks:
    """Asks again and again beside the screen, which follows keys and its size also while a worker does not answer."""

    def __init__(self, ask: Callable[[], Overview], interval: float) -> None:
        """The first answer is waited for. Raises what `ask` raises."""
        self._ask, self._interval = ask, interval
        self._latest: tuple[Overview, str] = (ask(), "")
        self._failure: Exception | None = None
        # It must not hold up the end: a request can take its time.
        Thread(target=self._go_on, daemon=True).start()

    def latest(self) -> tuple[Overview, str]:
        """The last answer, and why there is no newer one. Raises what is no trouble of a worker."""
        if self._failure is not None:
            raise self._failure
        return self._latest

    def _go_on(self) -> None:
        while self._failure is None:
            time.sleep(self._interval)
            try:
                self._latest = (self._ask(), "")
            except VoicemonError as error:
                self._latest = (self._latest[0], str(error))
            except Exception as error:  # noqa: BLE001  (raised again where it is seen)
                self._failure = error


class _Keys:
    """Waits for a key; Ctrl-C counts as one."""

    def __call__(self, seconds: float) -> bool:
        """True as soon as q is pressed, False after that time."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                if not sys.stdin.isatty():
                    time.sleep(left)
                elif select.select([sys.stdin], [], [], left)[0] and os.read(sys.stdin.fileno(), 16)[:1] in {
                    b"q",
                    b"Q",
                    b"",
                }:
                    return True
        except KeyboardInterrupt:
            return True
        return False


@contextmanager
def _keys() -> Iterator[_Keys]:
    """Keys without Enter while the block runs; the terminal is left as it was, also by Ctrl-C."""
    if not sys.stdin.isatty():
        yield _Keys()
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield _Keys()
    except KeyboardInterrupt:
        return
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _token(file: Path) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise VoicemonError(f"cannot read {file}: name a file that holds the access token with --token-file") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
