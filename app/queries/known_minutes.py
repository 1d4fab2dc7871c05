"""Minutes whose figures are kept, and what is left to be worked out from the events.

A worker keeps the figures of a minute once its events are stored (`app/minute_figures.py`). A question takes those
that hold all events of their minute, and looks into the events for the rest: the current minute, those that got rows a
moment ago, and what its range has of a first and a last minute.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.query import QueryResult

from app.domain.windows import MINUTE_MS
from app.queries.statements import statement

MOST_STRETCHES: Final = 3
"""More stretches than these are joined, with what is kept between them."""
Row = Mapping[str, Any]
WHOLE: Final = "1"
KEYS: Final = {"confidence": ", bin", "channels": ", channel", "costs": ", stage, model", "figures_by_kind": ", kind"}
"""What else than buckets a statement of sums goes by."""
LISTS: Final = {
    "confidences": ("confidence", "bin, transcription, claims"),
    "channels": ("channels", "channel, received, completed, failed"),
    "costs": ("costs", "stage, model, paid"),
}
"""Columns of a kept minute that list sums: the statement that finds them, and what an entry has."""


class Stretch(NamedTuple):
    """Times of [start_ms, end_ms)."""

    start_ms: int
    end_ms: int


class Parts(NamedTuple):
    """What a range is made of: places of the minutes that are kept, and stretches to look into the events for."""

    kept: list[int]
    stretches: list[Stretch]


@dataclass(frozen=True, slots=True)
class KnownMinutes:
    """Minutes with events, oldest first; the columns hold the figures of those that are kept."""

    minutes: Sequence[int]
    are_kept: Sequence[bool]
    columns: Mapping[str, Sequence[Any]]

    def parts(self, start_ms: int, end_ms: int) -> Parts:
        """What [start_ms, end_ms) is made of."""
        kept: list[int] = []
        runs: list[_Run] = []
        is_open = False
        for place in range(bisect_right(self.minutes, start_ms - MINUTE_MS), bisect_left(self.minutes, end_ms)):
            minute_ms = self.minutes[place]
            if self.are_kept[place] and start_ms <= minute_ms <= end_ms - MINUTE_MS:
                kept.append(place)
                is_open = False
                continue
            begin_ms = runs.pop().start_ms if is_open else max(minute_ms, start_ms)
            runs.append(_Run(begin_ms, min(minute_ms + MINUTE_MS, end_ms), len(kept)))
            is_open = True
        return _joined(kept, runs)

    def values(self, column: str, parts: Parts) -> list[Any]:
        """Figures of the minutes that are kept, oldest first."""
        return list(map(self.columns[column].__getitem__, parts.kept))


class _Run(NamedTuple):
    start_ms: int
    end_ms: int
    kept_before: int


def _joined(kept: list[int], runs: list[_Run]) -> Parts:
    """The closest runs become one, without what is kept between them, until they are few enough."""
    while len(runs) > MOST_STRETCHES:
        at = min(range(len(runs) - 1), key=lambda number: runs[number + 1].start_ms - runs[number].end_ms)
        first, second = runs[at : at + 2]
        kept = kept[: first.kept_before] + kept[second.kept_before :]
        dropped = second.kept_before - first.kept_before
        later = [run._replace(kept_before=run.kept_before - dropped) for run in runs[at + 2 :]]
        runs = [*runs[:at], first._replace(end_ms=second.end_ms), *later]
    return Parts(kept, [Stretch(run.start_ms, run.end_ms) for run in runs])


def known_minutes(client: Client, columns: Sequence[str], asked: Mapping[str, Any]) -> KnownMinutes:
    """The minutes that `asked` touches, the kept ones with these columns.

    `asked` has what statements about events take: `now_ms`, `start_ms`, `end_ms` and `organization_id`, '' for the
    platform.
    """
    names = ", ".join(columns)
    is_platform = not asked["organization_id"]
    found = client.query(
        statement(
            "minutes_known",
            columns=names,
            kept_columns=names if is_platform else "computed_at",
            own_minutes="" if is_platform else statement("minutes_own", columns=names),
        ),
        parameters=dict(asked),
    ).result_columns
    # Without a row the client gives no columns.
    minutes, are_kept, *figures = found or [()] * (2 + len(columns))
    return KnownMinutes(minutes, are_kept, dict(zip(columns, figures, strict=True)))


def sums_of(client: Client, name: str, stretches: Sequence[Stretch], asked: Mapping[str, Any]) -> QueryResult:
    """What the statement sums up in the events of the stretches, all of them one bucket unless `asked` has its size."""
    start_ms, end_ms = stretches[0].start_ms, stretches[-1].end_ms
    bounds = {"start_ms": start_ms, "end_ms": end_ms}
    if len(stretches) > 1:
        for number, stretch in enumerate(stretches):
            bounds |= {f"from_{number}": stretch.start_ms, f"to_{number}": stretch.end_ms}
    values = {"size_ms": end_ms - start_ms, **asked, **bounds}
    return client.query(sums_statement(name, len(stretches)), parameters=values)


def sums_statement(name: str, stretches: int = 1) -> str:
    """A statement that sums up events of one scope: the platform or the organisation that is asked for.

    It looks into [start_ms, end_ms), of several stretches only into [from_0, to_0), [from_1, to_1) and so on.
    """
    return statement(
        name,
        scope="'' AS organization, 1 AS is_platform",
        groups=f"bucket{KEYS.get(name, '')}",
        events_within=_within(stretches, "ts", "fromUnixTimestamp64Milli({{{}:Int64}}, 'UTC')"),
        completions_within=_within(stretches, "completed_ms", "{{{}:Int64}}"),
    )


def _within(stretches: int, column: str, moment: str) -> str:
    """Condition that the column lies in one of the stretches."""
    if stretches == 1:
        return WHOLE
    each = (
        f"({column} >= {moment.format(f'from_{number}')} AND {column} < {moment.format(f'to_{number}')})"
        for number in range(stretches)
    )
    return f"({' OR '.join(each)})"


def minutes_statement() -> str:
    """The statement that keeps minutes, of the platform and of every organisation."""
    lists = "\n".join(
        statement("minute_list", column=column, columns=columns, sums=_of_all_scopes(name)).rstrip()
        for column, (name, columns) in LISTS.items()
    )
    return statement("minute_rows", figures=_of_all_scopes("figures"), lists=lists)


def _of_all_scopes(name: str) -> str:
    keys = f"bucket{KEYS.get(name, '')}"
    return statement(
        name,
        scope="organization, grouping(organization) = 1 AS is_platform",
        groups=f"GROUPING SETS (({keys}, organization), ({keys}))",
        events_within=WHOLE,
        completions_within=WHOLE,
    ).rstrip()
