"""How `voicemon top` looks."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.overview import CounterRow, Overview
from app.cli.period import show_moment, show_time

BARS = " ▁▂▃▄▅▆▇█"
SPARK_MINUTES = 30
LONGEST = 60


def screen(found: Overview, now_ms: int, problem: str = "") -> RenderableType:
    """The whole screen."""
    parts: list[RenderableType] = [_head(found, now_ms)]
    if problem:
        parts.append(Text(problem, style="bold red"))
    parts += [Text(), _counters(found), Text()]
    parts.append(_rows("Newest errors", found.errors, found.missing.get("errors"), _error))
    parts.append(_rows("Stuck artifacts", found.stuck, found.missing.get("stuck"), _stuck))
    return Group(*parts)


def _head(found: Overview, now_ms: int) -> Text:
    scope = f"organisation {_plain(found.organization_id)}" if found.organization_id else "platform"
    text = Text.assemble(("voicemon top", "bold"), f"  {found.url}  {scope}\n")
    if found.is_ready:
        text.append("ready", style="bold green")
    else:
        text.append(f"not ready: {'; '.join(found.reasons)}", style="bold yellow")
    if found.as_of is not None:
        text.append(f"  as of {show_moment(found.as_of)}")
    if found.stale:
        text.append(f"  stale, {max(0, now_ms - (found.as_of or 0)) // 1000} s old", style="bold yellow")
    if found.lag_records is not None:
        others = f" (and {found.unseen_partitions} partitions of other workers)" if found.unseen_partitions else ""
        text.append(f"  lag {found.lag_records:,} records{others}")
    return text


def _counters(found: Overview) -> RenderableType:
    if not found.counters:
        return Text(f"no live figures: {found.missing.get('counters', 'the worker gives none')}", style="yellow")
    hour = show_time(found.window_start) if found.window_start is not None else ""
    table = Table(title=f"Hour from {hour} UTC", title_justify="left", box=None, pad_edge=False)
    table.add_column("Counter", no_wrap=True)
    for name in ("This hour", "Last 60 min", "Last minute", "Per minute, 5 min"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"Last {SPARK_MINUTES} minutes", no_wrap=True)
    for row in found.counters:
        style = "red" if "ailed" in row.name or "ailures" in row.name else ""
        figures = (f"{row.current_hour:,}", f"{row.last60_minutes:,}", f"{row.last_minute:,}", f"{row.per_minute:,.1f}")
        is_bad = style and row.last60_minutes
        table.add_row(row.name, *figures, _spark(row), style=style if is_bad else "")
    return table


def _spark(row: CounterRow) -> str:
    minutes = row.minutes[-SPARK_MINUTES:]
    top = max(minutes, default=0)
    if not top:
        return ""
    return "".join(BARS[-(-value * (len(BARS) - 1) // top)] for value in minutes)


def _rows(title: str, rows: Sequence[dict[str, Any]] | None, why: str | None, line: Any) -> Text:
    text = Text(f"{title}\n", style="bold")
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
    line = "".join(char if char.isprintable() else "·" for char in str(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
