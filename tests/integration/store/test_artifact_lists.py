"""Artifacts of the sample log: their table after a refresh, and the lists that are read from it."""

import uuid
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from app.artifact_refresh import ArtifactRefresh
from app.domain.recount import recount
from app.queries.artifacts import (
    ActiveParameters,
    ArtifactsParameters,
    FailedParameters,
    StuckParameters,
    active,
    artifact,
    artifacts,
    failed,
    stuck,
)
from app.queries.errors import NotFound
from app.queries.timeline import ArtifactParameters
from app.runtime.settings import Settings
from sinks.clickhouse.client import StoreError
from tests.integration.store.rows import event_line, insert, line_of
from tests.sample_log import read_expected, read_log

pytestmark = pytest.mark.clickhouse
NOW = 1771221600000
ACTIVE = ("received", "transcribing", "transcribed", "processing")
COMPUTED = ("waitingFor", "waitingSince", "elapsedMs", "stageElapsedMs")


def every_row(client: Client, ask: Any, parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = ask(client, parameters, NOW)
        found += msgspec.to_builtins(answer.page)
        if answer.is_done:
            return found
        parameters = msgspec.structs.replace(parameters, cursor=answer.continue_cursor)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["artifactId"] for row in rows]


def newest(rows: list[dict[str, Any]], field: str) -> list[str]:
    return ids(sorted(rows, key=lambda row: (row[field], row["artifactId"]), reverse=True))


def test_artifacts_of_the_sample_are_listed_as_expected(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line_of(accepted) for accepted in recount(read_log("events.ndjson")).accepted]
    first, second = (ArtifactRefresh(store, settings.clickhouse) for _ in range(2))
    monkeypatch.setattr("app.artifact_refresh.PAGE", 40)
    for part in (lines[1500:], lines[:1700]):
        insert(store, part)
        first.run_once()
    assert second.run_once() > 0  # a second worker writes the same again
    expected = read_expected("expected.json")["artifacts"]

    listed = every_row(store, artifacts, ArtifactsParameters(limit=50))
    assert ids(listed) == newest(expected, "createdAt")
    wanted = {row["artifactId"]: row for row in expected}
    for row in listed:
        plain = {name: value for name, value in row.items() if name not in COMPUTED}
        assert plain.keys() == wanted[row["artifactId"]].keys()
        assert all(value == pytest.approx(wanted[row["artifactId"]][name]) for name, value in plain.items())

    own = [row for row in expected if row.get("organizationId") == "org_001"]
    assert ids(every_row(store, artifacts, ArtifactsParameters(organization_id="org_001"))) == newest(own, "createdAt")
    busy = [row for row in expected if row.get("status") in ACTIVE]
    assert ids(every_row(store, active, ActiveParameters(limit=10))) == newest(busy, "createdAt")
    broken = [row for row in expected if row.get("status") == "failed"]
    assert ids(every_row(store, failed, FailedParameters(limit=10))) == newest(broken, "failedAt")

    late = every_row(store, stuck, StuckParameters(limit=10))
    assert late
    assert [row["stageEnteredAt"] for row in late] == sorted(row["stageEnteredAt"] for row in late)
    assert all(row["waitingSince"] < NOW - 300_000 and row["status"] != "failed" for row in late)
    assert len({row["artifactId"] for row in late}) == len(late)


def test_one_artifact_is_shown_to_its_organisation_only_and_is_hidden_once_it_is_old(
    store: Client, settings: Settings
) -> None:
    kind = {"eventType": "artifact_completed", "organizationId": "org_1", "metadata": {}}
    insert(store, [event_line(1, **kind)])
    refresh = ArtifactRefresh(store, settings.clickhouse)
    assert refresh.run_once() == 1
    assert artifact(store, ArtifactParameters(artifact_id="art_1"), NOW).status == "completed"
    with pytest.raises(NotFound):
        artifact(store, ArtifactParameters(artifact_id="art_1", organization_id="org_2"), NOW)
    last_day = 1771113726916 + 90 * 86_400_000
    assert artifacts(store, ArtifactsParameters(), last_day).page
    assert not artifacts(store, ArtifactsParameters(), last_day + 1).page


@pytest.mark.parametrize("table", ["artifacts_by_creation", "artifacts_by_failure"])
def test_artifacts_whose_place_in_a_list_was_not_written_are_listed_in_the_end(
    store: Client, settings: Settings, table: str
) -> None:
    # Stored on two days, and refreshed together.
    names = [f"art_{day}" for day in (13, 14)]
    for day, name in enumerate(names, 13):
        failure = {"eventId": str(uuid.uuid4()), "eventType": "artifact_failed", "artifactId": name, "metadata": {}}
        insert(store, [event_line(1, **failure, stored_at=f"2026-02-{day}T00:00:00")])
    store.command(f"ALTER TABLE {table} ADD CONSTRAINT a_test CHECK place < 0")
    with pytest.raises(StoreError):
        ArtifactRefresh(store, settings.clickhouse).run_once()
    assert store.command("SELECT count() FROM artifact_rows") == len(names), "the table itself is ahead of the list"
    store.command(f"ALTER TABLE {table} DROP CONSTRAINT a_test")
    ArtifactRefresh(store, settings.clickhouse).run_once()
    for ask, parameters in ((artifacts, ArtifactsParameters()), (failed, FailedParameters())):
        assert sorted(ids(every_row(store, ask, parameters))) == names
