"""Numbers of active artifacts and open names, kept by workers beside the table of artifacts."""

import uuid
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from app.artifact_refresh import ArtifactRefresh
from app.queries.pipeline_state import pipeline_state
from app.runtime.settings import Settings
from sinks.clickhouse.erasure import Erasure, Kind, Subject
from tests.integration.store.rows import event_line, insert

pytestmark = pytest.mark.clickhouse
AT = 1771113726916


def put(store: Client, artifact_id: str, kind: str, **changes: Any) -> None:
    own = {"eventId": str(uuid.uuid4()), "artifactId": artifact_id, "eventType": kind, "organizationId": "org_1"}
    insert(store, [event_line(1, **(own | {"metadata": {}} | changes))])


def found(store: Client, organization_id: str | None = None) -> tuple[dict[str, int], int]:
    state = pipeline_state(store, organization_id)
    return {stage: active for stage, active in state.active.items() if active}, state.open_disambiguations


def test_totals_follow_the_artifacts_and_forget_erased_ones(store: Client, settings: Settings) -> None:
    first, second = (ArtifactRefresh(store, settings.clickhouse) for _ in range(2))
    put(store, "a", "artifact_received")
    put(store, "b", "artifact_received", organizationId="org_2")
    put(store, "b", "entity_needs_disambiguation", timestamp=AT + 1, organizationId="org_2",
        metadata={"disambiguationCount": 3})  # fmt: skip
    first.run_once()
    second.run_once()
    assert found(store) == ({"ingestion": 1, "entity_resolution": 1}, 3)
    assert found(store, "org_2") == ({"entity_resolution": 1}, 3)

    put(store, "a", "artifact_completed", timestamp=AT + 2)
    second.run_once()
    assert found(store) == ({"entity_resolution": 1}, 3)
    first.run_once()
    assert found(store) == ({"entity_resolution": 1}, 3)

    erasure = Erasure(store, settings.clickhouse, Subject(Kind.ORGANISATION, "org_2"), wait=lambda seconds: None)
    assert any(one.rows for one in erasure.count())
    assert not any(one.rows for one in erasure.erase())
    put(store, "c", "artifact_received")
    for refresh in (first, second, ArtifactRefresh(store, settings.clickhouse)):
        refresh.run_once()
        assert found(store) == ({"ingestion": 1}, 0)
    assert not any(one.rows for one in erasure.count())


def test_totals_that_were_stored_before_are_stored_again(store: Client, settings: Settings) -> None:
    refresh = ArtifactRefresh(store, settings.clickhouse)
    for name in ("a", "b", "c"):
        put(store, name, "artifact_received", timestamp=AT)
        refresh.run_once()
        assert found(store) == ({"ingestion": 1}, 0)
        put(store, name, "artifact_completed", timestamp=AT + 1)
        refresh.run_once()
        assert found(store) == ({}, 0)
