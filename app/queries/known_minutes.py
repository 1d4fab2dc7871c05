"""Minutes whose figures are kept, and what is left to be worked out from the events.

A worker keeps the figures of a minute once its events are stored (`app/minute_figures.py`). A question takes those
that hold all events of their minute, and looks into the events for the rest: the current minute, those that got rows a
moment ago, and what its range has of a first and a last minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from app.domain.windows import MINUTE_MS
from app.queries.statements import statement

MOST_STRETCHES: Final = 3
"""More stretches than these are joined, with what is kept between them: each is a statement of its own."""
Row = Mapping[str, Any]
KEYS: Final = {"confidence": ", bin", "channels": ", channel"}
"""What else than buckets a statement of sums goes by."""
SUMS_OF_MINUTES: Final = {
    "minute_sums": "figures",
    "minute_confidences": "confidence",
    "minute_channels": "channels",
}


class Stretch(NamedTuple):
    """Times of [start_ms, end_ms)."""

    start_ms: int
    end_ms: int


class Parts(NamedTuple):
    """What a range is made of: rows of minutes that are kept, and stretches to look into the events for."""

    rows: list[Row]
    stretches: list[Stretch]


@dataclass(frozen=True, slots=True)
class KnownMinutes:
    """Minutes with events, oldest first; those that are not kept have None."""

    minutes: Sequence[tuple[int, Row | None]]

    def parts(self, start_ms: int, end_ms: int) -> Parts:
        """What [start_ms, end_ms) is made of."""
        rows: list[Row] = []
        runs: list[_Run] = []
        is_open = False
        for minute_ms, row in self.minutes:
            if not start_ms - MINUTE_MS < minute_ms < end_ms:
                continue
            if row is not None and start_ms <= minute_ms <= end_ms - MINUTE_MS:
                rows.append(row)
                is_open = False
                continue
            begin_ms = runs.pop().start_ms if is_open else max(minute_ms, start_ms)
            runs.append(_Run(begin_ms, min(minute_ms + MINUTE_MS, end_ms), len(rows)))
            is_open = True
        return _joined(rows, runs)


class _Run(NamedTuple):
    start_ms: int
    end_ms: int
    rows_before: int


def _joined(rows: list[Row], runs: list[_Run]) -> Parts:
    """The closest runs become one, without the rows between them, until they are few enough."""
    while len(runs) > MOST_STRETCHES:
        at = min(range(len(runs) - 1), key=lambda number: runs[number + 1].start_ms - runs[number].end_ms)
        first, second = runs[at : at + 2]
        rows = rows[: first.rows_before] + rows[second.rows_before :]
        dropped = second.rows_before - first.rows_before
        later = [run._replace(rows_before=run.rows_before - dropped) for run in runs[at + 2 :]]
        runs = [*runs[:at], first._replace(end_ms=second.end_ms), *later]
    return Parts(rows, [Stretch(run.start_ms, run.end_ms) for run in runs])


def known_minutes(client: Client, columns: Sequence[str], asked: Mapping[str, Any], now_ms: int) -> KnownMinutes:
    """The minutes that `asked` touches, the kept ones with these columns and `minute_ms`.

    `asked` has what statements about events take: `start_ms`, `end_ms` and
    `organization_id`, '' for the platform.
    """
    bounds = {"now_ms": now_ms, "from_ms": asked["start_ms"], "to_ms": asked["end_ms"]}
    bounds |= {"organization_id": asked["organization_id"]}
    result = client.query(statement("minutes_known", columns=", ".join(columns)), parameters=bounds)
    return KnownMinutes([(row["minute_ms"], row if row["is_known"] else None) for row in result.named_results()])


def parts_of(client: Client, columns: Sequence[str], asked: Mapping[str, Any], now_ms: int) -> Parts:
    """What the range of `asked` is made of."""
    return known_minutes(client, columns, asked, now_ms).parts(asked["start_ms"], asked["end_ms"])


def sums_statement(name: str) -> str:
    """A statement that sums up events of one scope: the platform or the organisation that is asked for."""
    return statement(name, scope="'' AS organization, 1 AS is_platform", groups=f"bucket{KEYS.get(name, '')}")


def minutes_statement() -> str:
    """The statement that keeps minutes, of the platform and of every organisation."""
    sums = {part: _of_all_scopes(name) for part, name in SUMS_OF_MINUTES.items()}
    return statement("minute_rows", **sums)


def _of_all_scopes(name: str) -> str:
    keys = f"bucket{KEYS.get(name, '')}"
    return statement(
        name,
        scope="organization, grouping(organization) = 1 AS is_platform",
        groups=f"GROUPING SETS (({keys}, organization), ({keys}))",
    ).rstrip()


def over(stretch: Stretch, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a statement needs to look into the events of a stretch, all of it one bucket."""
    bounds = {"start_ms": stretch.start_ms, "end_ms": stretch.end_ms}
    return {**asked, **bounds, "size_ms": stretch.end_ms - stretch.start_ms}
