"""How `voicemon top` looks."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from app.cli.output import plain
from app.cli.overview import CounterRow, Overview
from app.cli.period import show_moment, show_time

BARS = " ▁▂▃▄▅▆▇█"
MOST_MINUTES = 60
FEWEST_MINUTES = 12
GAP = 2
WIDEST = 1_000
LONGEST = 60


def screen(found: Overview, now_ms: int, problem: str = "") -> RenderableType:
    """The whole screen; with a `problem` the figures are those from before it."""
    parts: list[RenderableType] = [_head(found, now_ms, problem), Text(), _Counters(found), Text()]
    parts.append(_rows("Newest errors", found.errors, found.missing.get("errors"), _error))
    parts.append(_rows("Stuck artifacts", found.stuck, found.missing.get("stuck"), _stuck))
    return Group(*parts)


def _head(found: Overview, now_ms: int, problem: str) -> Text:
    scope = f"organisation {_plain(found.organization_id)}" if found.organization_id else "platform"
    text = Text.assemble(("voicemon top", "bold"), f"  {found.url}  {scope}\n")
    if problem:
        text.append(problem, style="bold red")
    elif found.is_ready:
        text.append("ready", style="bold green")
    else:
        text.append(f"not ready: {'; '.join(found.reasons)}", style="bold yellow")
    if found.as_of is not None:
        text.append(f"  as of {show_moment(found.as_of)}")
        if found.stale or problem:
            text.append(f"  stale, {max(0, now_ms - found.as_of) // 1000} s old", style="bold yellow")
    if found.lag_records is not None:
        others = f" (and {found.unseen_partitions} partitions of other workers)" if found.unseen_partitions else ""
        text.append(f"  lag {found.lag_records:,} records{others}")
    return text


class _Counters:
    """The table of counters; the figures are whole at any width, the minutes take what is left."""

    def __init__(self, found: Overview) -> None:
        self._found = found

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = self._found
        if not found.counters:
            yield Text(f"no live figures: {found.missing.get('counters', 'the worker gives none')}", style="yellow")
            return
        width = console.measure(self._table(0), options=options.update(max_width=WIDEST)).maximum
        minutes = min(options.max_width - width - GAP, MOST_MINUTES)
        yield self._table(minutes if minutes >= FEWEST_MINUTES else 0)

    def _table(self, minutes: int) -> Table:
        hour = self._found.window_start
        title = f"Hour from {show_time(hour)} UTC" if hour is not None else ""
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("Counter", no_wrap=True)
        for name in ("This\nhour", "Last\n60 min", "Last\nminute", "A minute,\nmean of 5"):
            table.add_column(name, justify="right", no_wrap=True)
        if minutes:
            table.add_column(f"Last {minutes}\nminutes", no_wrap=True)
        for row in self._found.counters:
            is_bad = ("ailed" in row.name or "ailures" in row.name) and row.last60_minutes > 0
            figures = (f"{figure:,}" for figure in (row.current_hour, row.last60_minutes, row.last_minute))
            spark = (_spark(row, minutes),) if minutes else ()
            table.add_row(row.name, *figures, f"{row.per_minute:,.1f}", *spark, style="red" if is_bad else "")
        return table


def _spark(row: CounterRow, count: int) -> str:
    minutes = row.minutes[-count:]
    top = max(minutes, default=0)
    if not top:
        return ""
    return "".join(BARS[-(-value * (len(BARS) - 1) // top)] for value in minutes)


def _rows(title: str, rows: Sequence[dict[str, Any]] | None, why: str | None, line: Any) -> Text:
    text = Text(f"{title}\n", style="bold", no_wrap=True, overflow="ellipsis")
    if rows is None:
        return text.append(f"  not known: {why or 'the worker does not say'}\n", style="dim not bold")
    for row in rows:
        text.append(f"  {line(row)}\n", style="not bold")
    return text if rows else text.append("  none\n", style="dim not bold")


def _error(event: dict[str, Any]) -> str:
    what = event.get("errorMessage") or event.get("errorCode") or event.get("eventType", "")
    names = (show_moment(event["timestamp"]), event.get("pipelineStage", ""), event.get("artifactId", ""))
    return "  ".join(_plain(name) for name in (*names, what) if name)


def _stuck(artifact: dict[str, Any]) -> str:
    seconds = artifact.get("stageElapsedMs", 0) // 1000
    names = (artifact.get("artifactId", ""), artifact.get("stage", ""), artifact.get("organizationId", ""))
    return "  ".join([*(_plain(name) for name in names if name), f"for {seconds:,} s"])


def _plain(text: object) -> str:
    """A text of an event as one line without control characters, so that it cannot steer the terminal."""
    line = plain(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
