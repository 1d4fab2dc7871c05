"""Event lines as the sink writes them."""

from typing import Any

import orjson
from clickhouse_connect.driver.client import Client

from app.domain.events import encode_event
from app.domain.recount import AcceptedEvent

SETTINGS = {
    "async_insert": 0,
    "max_partitions_per_insert_block": 1000,
}


def event_line(offset: int, **changes: Any) -> dict[str, Any]:
    return {
        "eventId": "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c11",
        "eventType": "claims_extracted",
        "timestamp": 1771113726916,
        "artifactId": "art_1",
        "metadata": {"claimCount": 4},
        "source_partition": 0,
        "source_offset": offset,
        "append_time_ms": 1771113727000,
    } | changes


def line_of(accepted: AcceptedEvent) -> dict[str, Any]:
    line: dict[str, Any] = orjson.loads(encode_event(accepted.event))
    return line | {
        "source_partition": accepted.partition,
        "source_offset": accepted.offset,
        "append_time_ms": accepted.append_time_ms,
    }


def insert(client: Client, lines: list[dict[str, Any]], token: str = "") -> None:
    client.raw_insert(
        "events",
        insert_block=b"\n".join(orjson.dumps(line) for line in lines),
        fmt="JSONEachRow",
        settings=SETTINGS | {"insert_deduplication_token": token},
    )


def filled_tables(client: Client) -> list[str]:
    """Tables of the client's database that hold events or what is made of them."""
    found = client.query(
        "SELECT name FROM system.tables WHERE database = {db:String} AND engine LIKE '%MergeTree' "
        "AND name NOT IN ('schema_migrations', 'organization_names') ORDER BY name",
        parameters={"db": client.database},
    ).result_rows
    return [name for (name,) in found]
