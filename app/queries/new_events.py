"""Events as they become visible in the store, for readers who follow them live."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from app.domain.windows import HOUR_MS
from app.queries.statements import statement

OF_EACH: Final = 100
"""Most events of one organisation in one answer: a person follows no more, and a backlog would never end."""
MOST: Final = 2_000
MOST_MOMENTS: Final = 300
"""Most insert times that one question names: they travel in its address."""

Insert = tuple[int, int]
"""Rows that were stored together: their source partition and `stored_at` in milliseconds."""


class StoredEvent(NamedTuple):
    """An event as it is listed, where it stands in the log, and when it was stored."""

    event: dict[str, Any]
    insert: Insert
    offset: int


class StoredEvents(NamedTuple):
    """Events in the order of the log; there are more of the organisations `cut` ('' is none), or of any if `is_cut`."""

    events: list[StoredEvent]
    cut: frozenset[str] = frozenset()
    is_cut: bool = False

    def are_all_of(self, organization_id: str | None) -> bool:
        """True if no event of the organisation, None for all, was left out."""
        return not self.is_cut and not (self.cut if organization_id is None else organization_id in self.cut)


def visible_inserts(client: Client, stored_ms: int, visible_ms: int) -> dict[Insert, int]:
    """Inserts from `stored_ms` on whose rows are visible, each with a sum that differs whenever its rows do.

    An insert becomes visible some time after its `stored_at`, and part by part if its rows are of several hours or
    shards. `visible_ms` as in `stored_events`. Raises what the client raises.
    """
    rows = client.query(
        "SELECT source_partition, toUnixTimestamp64Milli(stored_at), sum(cityHash64(source_offset)) FROM events "
        "WHERE stored_at >= fromUnixTimestamp64Milli({stored_ms:Int64}, 'UTC') "
        "AND ts >= fromUnixTimestamp64Milli({visible_ms:Int64}, 'UTC') GROUP BY source_partition, stored_at",
        # Whole hours: otherwise an insert of old events would seem to change all the time.
        parameters={"stored_ms": stored_ms, "visible_ms": visible_ms - visible_ms % HOUR_MS},
    ).result_rows
    return {(int(partition), int(at_ms)): int(rows_sum) for partition, at_ms, rows_sum in rows}


def stored_events(
    client: Client, stored_ms: int, visible_ms: int, moments: Collection[int] | None = None
) -> StoredEvents:
    """The newest events stored from `stored_ms` on, or at these moments only, in milliseconds.

    `visible_ms` is the oldest timestamp that is shown. Raises what the client raises.
    """
    taken = sorted(moments or ())[-MOST_MOMENTS:]
    parameters = {
        "stored_ms": stored_ms,
        "visible_ms": visible_ms,
        # Short numbers, because there may be many.
        "moments": [at_ms - stored_ms for at_ms in taken],
        "is_any": moments is None,
        "of_each": OF_EACH,
        "most": MOST,
    }
    rows = list(client.query(statement("new_events"), parameters=parameters).named_results())
    counts = Counter(row["organizationId"] for row in rows)
    cut = frozenset(organization for organization, count in counts.items() if count >= OF_EACH)
    is_cut = len(rows) >= MOST or len(taken) < len(moments or ())
    return StoredEvents(_each_once(rows), cut, is_cut)


def _each_once(rows: Iterable[Mapping[str, Any]]) -> list[StoredEvent]:
    """Copies of an event can stand in several partitions: the first counts."""
    by_id: dict[str, StoredEvent] = {}
    for one in map(_stored, rows):
        by_id.setdefault(one.event["eventId"], one)
    return list(by_id.values())


def _stored(row: Mapping[str, Any]) -> StoredEvent:
    event = dict(row)
    partition, offset, at_ms = (event.pop(name) for name in ("source_partition", "source_offset", "stored_ms"))
    metadata = {name: value for name, value in event.pop("metadata").items() if value is not None}
    present = {name: value for name, value in event.items() if value is not None and value != ""}
    return StoredEvent({**present, "metadata": metadata} if metadata else present, (partition, at_ms), offset)
