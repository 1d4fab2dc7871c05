"""Views whose text was changed for speed fill their tables with what they filled them with before."""

import uuid
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from app.runtime.settings import Settings
from sinks.clickhouse import templates
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import INSERT_SETTINGS
from tests.integration.store.rows import event_line, insert

pytestmark = pytest.mark.clickhouse

LAST_BEFORE = 49
TYPES = (
    "artifact_received",
    "transcription_started",
    "transcription_completed",
    "claims_extracted",
    "artifact_completed",
)
HOUR_MS = 3_600_000
# Without the times at which rows were stored.
CONTENT = {
    "artifact_state": "toString(minMap(events)), arraySort(groupUniqArrayArray(end_hours)), max(last_event)",
    "artifact_marks": "min(receipt), min(completion), arraySort(groupUniqArrayArray(starts)), max(channel), "
    "arraySort(groupUniqArrayArray(hours)), arraySort(groupUniqArrayArray(organizations))",
}


def lines() -> list[dict[str, Any]]:
    """Events of twenty artifacts over some hours; every third one has a copy that differs, some have no channel."""
    made = []
    for number in range(200):
        fields = {
            "eventId": str(uuid.UUID(int=number * 7919)),
            "eventType": TYPES[number // 20 % len(TYPES)],
            "artifactId": f"art_{number % 20}",
            "organizationId": f"org_{number % 3}",
            "timestamp": 1771113726916 + number * HOUR_MS // 40,
            "metadata": {"sourceChannel": "phone"} if number % 4 else {},
        }
        made.append(event_line(number, **fields))
        if number % 3 == 0:
            made.append(event_line(number + 1000, **fields | {"organizationId": "org_other", "coachUserId": "c"}))
    return made


def filled(client: Client) -> dict[str, Any]:
    """What the tables hold after an insert with copies in it, and one that repeats half of it."""
    for table in ("events", *CONTENT):
        client.command(f"TRUNCATE TABLE {table}")
    insert(client, lines())
    insert(client, lines()[::2])
    return {
        table: client.query(f"SELECT artifactId, {content} FROM {table} GROUP BY artifactId ORDER BY 1").result_rows
        for table, content in CONTENT.items()
    }


def test_state_and_marks_of_artifacts_are_those_of_the_views_before(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.store.rows.SETTINGS", INSERT_SETTINGS)
    with monkeypatch.context() as earlier:
        known = [migration for migration in templates.migrations() if migration.number <= LAST_BEFORE]
        earlier.setattr("sinks.clickhouse.schema.migrations", lambda: known)
        earlier.setattr("sinks.clickhouse.schema.views", list)  # they read columns of later migrations
        migrate(client, settings)
    before = filled(client)
    assert [len(rows) for rows in before.values()] == [20, 20]
    assert "0055_cheaper_views" in migrate(client, settings).applied
    assert filled(client) == before
    for table in CONTENT:
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    [(ids, distinct)] = client.query(
        "SELECT sum(length(mapKeys(events))), sum(length(arrayDistinct(mapKeys(events)))) FROM artifact_state"
    ).result_rows
    assert ids == distinct, "a merge leaves one copy of each event"
