"""The state of an artifact soon after its events, as a worker answers."""

import json
import time
import uuid
from typing import Any

import pytest

from app.runtime.topics import Topics
from tests.workers import WorkerProcess, eventually, produce

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(120)]


async def test_a_worker_shows_an_artifact_soon_after_its_events(shared_worker: WorkerProcess) -> None:
    await shared_worker.until_ready()
    artifact, organization, now_ms = f"art_{uuid.uuid4().hex}", f"org_{uuid.uuid4().hex}", time.time_ns() // 1_000_000
    events: list[dict[str, Any]] = [
        {"eventType": "transcription_started", "timestamp": now_ms - 400_000},
        {"eventType": "artifact_received", "timestamp": now_ms - 500_000, "organizationId": organization},
    ]
    kafka = shared_worker.settings.kafka
    values = [json.dumps(event | {"eventId": str(uuid.uuid4()), "artifactId": artifact}).encode() for event in events]
    await produce(
        kafka.bootstrap, Topics(kafka.topic_prefix).events, [(artifact.encode(), value, None) for value in values]
    )

    async def shown() -> bool:
        status, row = await shared_worker.ask(f"/api/v1/artifacts/{artifact}")
        return status == 200 and row["status"] == "transcribing" and row.get("organizationId") == organization

    await eventually(shown, "the artifact's state")
    status, answer = await shared_worker.ask(f"/api/v1/artifacts/stuck?organizationId={organization}")
    assert status == 200
    [row] = answer["page"]
    assert (row["artifactId"], row["waitingFor"]) == (artifact, "transcription")
    assert row["waitingSince"] == now_ms - 400_000
