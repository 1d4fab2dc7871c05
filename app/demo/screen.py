"""The demo on a terminal: a table that changes in place, or plain lines where nobody could see it change."""

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.demo.figures import Figures

LINE_SECONDS = 2.0


class Screen:
    """Shows figures and sentences; plain lines unless the console is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._next_line_at = 0.0

    def running(self) -> AbstractContextManager[object]:
        """The time in which figures are shown."""
        return self._live or nullcontext()

    def say(self, line: str) -> None:
        """A sentence; above the table if there is one."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, figures: Figures) -> None:
        """The figures in place of the last ones, or a line every two seconds."""
        if self._live is not None:
            self._live.update(_board(figures), refresh=True)
        elif time.monotonic() >= self._next_line_at:
            self._next_line_at = time.monotonic() + LINE_SECONDS
            self.say(_line(figures))


def _board(figures: Figures) -> RenderableType:
    counters = Table("Counter")
    for title in ("Current hour", "Last 60 min"):
        counters.add_column(title, justify="right")
    for name, value in figures.hour.items():
        counters.add_row(name.removesuffix("1h"), f"{value:,}", f"{figures.last_60_minutes[name]:,}")
    parts: list[RenderableType] = [counters, Text(_totals(figures)), _snapshots(figures)]
    if figures.notice:
        parts.append(Text(figures.notice, style="bold red"))
    return Group(*parts)


def _totals(figures: Figures) -> str:
    counts = figures.counts
    since = "since the worker was started again" if figures.restarts else "this run"
    return (
        f"{figures.events_per_second:,.0f} events/s   lag {counts.lag:,} records   "
        f"{since}: {counts.accepted:,} counted, {counts.duplicates:,} duplicates, {counts.rejected:,} refused, "
        f"{counts.stored:,} rows stored"
    )


def _snapshots(figures: Figures) -> RenderableType:
    if not figures.snapshots:
        return Text("No snapshot yet: an hour gets one when it has ended, or when a late event falls into it.")
    table = Table("Hour (UTC)", title="Last snapshots", title_justify="left")
    for title in ("received", "completed", "failed", "claims", "drafts", "cost $"):
        table.add_column(title, justify="right")
    for snapshot in figures.snapshots:
        table.add_row(
            datetime.fromtimestamp(snapshot.period_start / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
            f"{snapshot.artifacts_received:,}",
            f"{snapshot.artifacts_completed:,}",
            f"{snapshot.artifacts_failed:,}",
            f"{snapshot.total_claims_extracted:,}",
            f"{snapshot.total_drafts_generated:,}",
            f"{snapshot.total_ai_cost:,.2f}",
        )
    return table


def _line(figures: Figures) -> str:
    counters = " ".join(
        f"{name.removesuffix('1h')} {value:,}/{figures.last_60_minutes[name]:,}" for name, value in figures.hour.items()
    )
    notice = f" | {figures.notice}" if figures.notice else ""
    snapshots = f" | {len(figures.snapshots)} snapshots" if figures.snapshots else ""
    return f"{_totals(figures)} | current hour/last 60 min: {counters}{snapshots}{notice}"
