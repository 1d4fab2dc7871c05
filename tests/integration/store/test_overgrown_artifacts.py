"""An id that a publisher puts on every event grows no row that merges and questions could not read."""

import uuid

import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs

from app.artifact_refresh import ArtifactRefresh
from app.runtime.settings import Settings
from app.runtime.telemetry import Telemetry
from tests.integration.store.rows import event_line, insert

pytestmark = pytest.mark.clickhouse
NOW = 1771221600000
MOST = 20


@pytest.fixture(autouse=True)
def few_events_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.artifact_refresh.MOST_EVENTS", MOST)


def send(store: Client, artifact_id: str, count: int) -> None:
    kinds = ("transcription_started", "transcription_completed")
    lines = [
        event_line(
            number,
            eventId=str(uuid.uuid4()),
            eventType=kinds[number % 2],
            timestamp=NOW + number,
            artifactId=artifact_id,
        )
        for number in range(count)
    ]
    insert(store, lines)


def known_events(store: Client, artifact_id: str) -> int:
    question = "SELECT sum(length(events)) FROM artifact_state WHERE artifactId = %(id)s"
    return int(store.query(question, parameters={"id": artifact_id}).result_rows[0][0])


def rows(store: Client) -> set[str]:
    return {artifact_id for (artifact_id,) in store.query("SELECT DISTINCT artifactId FROM artifact_rows").result_rows}


@pytest.mark.parametrize("parts", [(MOST + 1,), (MOST - 5, 3, 5), (MOST, 1), (5, MOST + 10)])
def test_an_id_of_too_many_events_is_given_up_and_others_are_not_disturbed(
    store: Client, settings: Settings, parts: tuple[int, ...]
) -> None:
    telemetry = Telemetry()
    refresh = ArtifactRefresh(store, settings.clickhouse, telemetry)
    with capture_logs() as lines:
        for part in parts:
            send(store, "undefined", part)
            send(store, "art_1", 2)
            refresh.run_once()
        size = known_events(store, "undefined")
        assert size == sum(parts)
        for _ in range(2):
            send(store, "undefined", MOST)
            send(store, "art_2", MOST)
            refresh.run_once()
            ArtifactRefresh(store, settings.clickhouse, telemetry).run_once()
    assert known_events(store, "undefined") == size
    assert [line["artifact_ids"] for line in lines if line["log_level"] == "error"] == [["undefined"], ["art_2"]]
    assert rows(store) >= {"art_1", "art_2"}
    assert store.query("SELECT count() FROM events").result_rows == [(sum(parts) + 2 * len(parts) + 4 * MOST,)]
    assert b"voicemon_overgrown_artifacts_total 2.0" in telemetry.exposition()


def test_an_id_of_as_many_events_as_an_artifact_can_have_is_kept(store: Client, settings: Settings) -> None:
    refresh = ArtifactRefresh(store, settings.clickhouse)
    for _ in range(2):
        send(store, "art_1", MOST // 2)
        refresh.run_once()
    assert known_events(store, "art_1") == MOST
    assert store.query("SELECT count() FROM overgrown_artifacts").result_rows == [(0,)]
