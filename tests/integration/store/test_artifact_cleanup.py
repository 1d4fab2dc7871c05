"""What is stored of finished artifacts goes once their retention is over, and nothing else does."""

import time
import uuid
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs

from app.artifact_cleanup import ARTIFACTS, TABLES, ArtifactCleanup
from app.artifact_refresh import ArtifactRefresh
from app.domain.windows import DAY_MS, HOUR_MS
from app.runtime.settings import RetentionSettings, Settings
from tests.integration.store.rows import event_line, insert
from tests.integration.store.snapshots import ManualClock

pytestmark = pytest.mark.clickhouse

CUTOFF = 1771113600000  # 2026-02-15T00:00Z
KEPT_MS = 90 * DAY_MS
LAST_EVENTS = {
    "long_over": ("artifact_completed", CUTOFF - DAY_MS - 1),
    "just_over": ("artifact_failed", CUTOFF - 1),
    "never_known": ("draft_confirmed", CUTOFF - 1),
    "at_the_cutoff": ("artifact_completed", CUTOFF),
    "active": ("transcription_started", CUTOFF - 50 * DAY_MS),
    "retried": ("artifact_completed", CUTOFF - 3 * DAY_MS),
    "back_again": ("artifact_completed", CUTOFF - 3 * DAY_MS),
    "stored_late": ("artifact_completed", CUTOFF - 3 * DAY_MS),
}
OVER = {"long_over", "just_over", "never_known"}


def line(artifact_id: str, kind: str, timestamp: int, stored_ms: int) -> dict[str, Any]:
    return event_line(
        timestamp, eventId=str(uuid.uuid4()), artifactId=artifact_id, eventType=kind, timestamp=timestamp, metadata={},
        stored_at=f"{stored_ms // 1000}.{stored_ms % 1000:03}",
    )  # fmt: skip


def ids_in(client: Client, table: str) -> set[str]:
    return {row[0] for row in client.query(f"SELECT DISTINCT artifactId FROM {table}").result_rows}


@pytest.fixture
def filled(store: Client, settings: Settings) -> Client:
    """The artifacts' receipts and last events, each refreshed, so that rows of several ages lie beside each other."""
    refresh = ArtifactRefresh(store, settings.clickhouse)
    first = CUTOFF - 60 * DAY_MS
    insert(store, [line(name, "artifact_received", first, first) for name in LAST_EVENTS if name != "never_known"])
    assert refresh.run_once() == len(LAST_EVENTS) - 1
    for name, (kind, at) in sorted(LAST_EVENTS.items(), key=lambda item: item[1][1]):
        insert(store, [line(name, kind, at, CUTOFF if name == "stored_late" else at)])
    insert(store, [line("retried", "retry_initiated", CUTOFF - 2 * DAY_MS, CUTOFF - 1)])
    ArtifactRefresh(store, settings.clickhouse).run_once()
    # Not in the table of artifacts yet.
    insert(store, [line("back_again", "retry_initiated", CUTOFF + HOUR_MS, CUTOFF + HOUR_MS)])
    return store


def test_finished_artifacts_past_their_retention_are_deleted_and_no_others(filled: Client, settings: Settings) -> None:
    clock = ManualClock(CUTOFF + KEPT_MS)
    plain = settings.model_copy(update={"retention": RetentionSettings()})
    patient = ManualClock(CUTOFF + KEPT_MS - 4 * DAY_MS)
    assert ArtifactCleanup(filled, plain, patient).run_once() is False, "a day's worth is not due yet"
    longer = plain.model_copy(update={"retention": RetentionSettings(artifacts_days=120)})
    assert ArtifactCleanup(filled, longer, clock).run_once() is False
    assert ids_in(filled, ARTIFACTS) == LAST_EVENTS.keys()

    deadline = time.monotonic() + 60
    with capture_logs() as told:
        while ArtifactCleanup(filled, plain, clock).run_once():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert {line["artifacts"] for line in told} == {len(OVER)}
    assert [table for line in told for table in line["tables"]] == list(TABLES)
    kept = LAST_EVENTS.keys() - OVER
    failed = {name for name in kept if LAST_EVENTS[name][0] == "artifact_failed"}
    wanted = dict.fromkeys(TABLES, kept) | {"artifacts_by_failure": failed}
    assert {table: ids_in(filled, table) for table in TABLES} == wanted
    ArtifactRefresh(filled, settings.clickhouse).run_once()
    assert ids_in(filled, ARTIFACTS) == kept
    [(events, status)] = filled.query(
        "SELECT (SELECT length(minMap(events)) FROM artifact_state WHERE artifactId = 'back_again'), "
        f"argMax(status, version) FROM {ARTIFACTS} WHERE artifactId = 'back_again'"
    ).result_rows
    assert (events, status) == (3, "received")
