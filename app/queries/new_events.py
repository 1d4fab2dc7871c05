"""Events as they are stored, for readers who follow them live."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from app.queries.statements import statement

OF_EACH: Final = 100
"""Most events of one organisation in one answer: a person follows no more, and a backlog would never end."""
MOST: Final = 2_000
_POSITION: Final = ("source_partition", "source_offset")


class NewEvents(NamedTuple):
    """New events, oldest first, and where each partition goes on; times and absent values as events are listed."""

    events: list[dict[str, Any]]
    offsets: dict[int, int]


def new_events(client: Client, offsets: Mapping[int, int], stored_ms: int, visible_ms: int) -> NewEvents:
    """Events at `offsets` or later that were stored at `stored_ms` or later, all times in milliseconds.

    Partitions that `offsets` does not name begin at 0; `visible_ms` is the oldest timestamp that is shown. Raises what
    the client raises.
    """
    parameters = {
        "stored_ms": stored_ms,
        "visible_ms": visible_ms,
        "partitions": list(offsets) or [0],
        "offsets": list(offsets.values()) or [0],
        "of_each": OF_EACH,
        "most": MOST,
    }
    result = client.query(statement("new_events"), parameters=parameters)
    after = dict(offsets)
    events = []
    for row in result.named_results():
        partition, offset = (row.pop(name) for name in _POSITION)
        after[partition] = max(after.get(partition, 0), offset + 1)
        events.append(_present(row))
    return NewEvents(events, after)


def stored_offsets(client: Client, from_ms: int, to_ms: int) -> dict[int, int]:
    """Where each partition goes on behind what was stored in that time. Raises what the client raises."""
    rows = client.query(
        "SELECT source_partition, argMax(source_offset, (append_time_ms, source_offset)) + 1 FROM events "
        "WHERE stored_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') "
        "AND stored_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') GROUP BY source_partition",
        parameters={"from_ms": from_ms, "to_ms": to_ms},
    ).result_rows
    return {int(partition): int(offset) for partition, offset in rows}


def _present(row: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in row.pop("metadata").items() if value is not None}
    event = {name: value for name, value in row.items() if value is not None and value != ""}
    return {**event, "metadata": metadata} if metadata else event
