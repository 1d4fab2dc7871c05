"""Names from the topic `voice-organizations` to the answers of a worker."""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.runtime.clock import SystemClock
from app.runtime.organization_records import publish_names
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect
from tests.workers import ROOT, environment, eventually, produce, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(300)]


def event_of(organization_id: str | None) -> bytes:
    event: dict[str, Any] = {"eventId": str(uuid.uuid4()), "eventType": "artifact_received"}
    event |= {"timestamp": SystemClock().now_ms(), "artifactId": f"art_{organization_id}"}
    if organization_id is not None:
        event["organizationId"] = organization_id
    return json.dumps(event).encode()


async def erase(settings: Settings, organization_id: str) -> None:
    """Run the command beside the worker."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "erase", "--organisation", organization_id, "--yes", "--json"),
        cwd=ROOT, env=environment(settings), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(running.communicate(), 90)
    assert running.returncode == 0, output.decode()
    tables = {one["table"]: one for one in json.loads(output)["tables"]}
    assert all(tables[name]["before"] for name in ("events", "artifact_rows", "organization_names")), tables
    assert not any(one["after"] for one in tables.values()), tables


async def test_names_and_their_end_and_an_erased_organisation_reach_the_list_of_events(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix)
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()

        async def shown() -> dict[str, str | None]:
            status, answer = await worker.ask("/api/v1/events")
            rows = answer["page"] if status == 200 else []
            return {row["artifactId"]: row.get("orgName") for row in rows}

        async def names_are(*names: str | None) -> None:
            wanted = dict(zip(("art_a", "art_b", "art_None"), names, strict=True))

            async def holds() -> bool:
                return await shown() == wanted

            await eventually(holds, f"the events show {wanted}", 20)

        await produce(
            kafka_bootstrap, f"{unique_prefix}voice-events", [(None, event_of(one), None) for one in ("a", "b", None)]
        )
        topic = f"{unique_prefix}voice-organizations"
        await produce(kafka_bootstrap, topic, [(b"a", b"no name", None)])
        await publish_names(settings.kafka, {"a": "=Ärzte <b>"})
        await names_are("=Ärzte <b>", "Unknown", None)

        await publish_names(settings.kafka, {"a": "Alpha", "b": "Beta"})
        await names_are("Alpha", "Beta", None)

        await publish_names(settings.kafka, {"b": None})
        await names_are("Alpha", "Unknown", None)

        await erase(settings, "a")
        assert set(await shown()) == {"art_b", "art_None"}
        with connect(settings.clickhouse) as store:
            for table in ("artifact_rows", "artifact_state"):
                assert store.command(f"SELECT countIf(artifactId = 'art_a') FROM {table}") == 0
            assert store.command("SELECT count() FROM organization_names FINAL WHERE organizationId = 'a'") == 0
        assert "voicemon_organization_names_rejected_total 1.0" in worker.text("/metrics")
        assert worker.end() == 0


async def test_names_of_a_topic_that_was_deleted_and_created_anew_are_shown(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix)
    topic = f"{unique_prefix}voice-organizations"

    async def make_anew(partitions: int, *names: dict[str, str | None]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([topic])

            async def is_made() -> bool:
                made = NewTopic(topic, partitions, 1, topic_configs={"cleanup.policy": "compact"})
                return bool((await admin.create_topics([made])).topic_errors[0][1] == 0)

            await eventually(is_made, "the topic is there again", 20)
        finally:
            await admin.close()
        for some in names:
            await publish_names(settings.kafka, some)

    with connect(settings.clickhouse) as store, worker_process(settings, tmp_path) as worker:
        await worker.until_ready()

        async def names_become(expected: dict[str, str]) -> None:
            async def are() -> bool:
                found = store.query("SELECT organizationId, name FROM organization_names FINAL").result_rows
                return dict(found) == expected

            await eventually(are, f"the names become {expected}", 60)

        for name in ("Old", "Older", "Oldest"):
            await publish_names(settings.kafka, {"a": name, "b": name, "c": "Gamma"})
        await names_become({"a": "Oldest", "b": "Oldest", "c": "Gamma"})
        await make_anew(2, {"a": "New"}, {"b": None})
        await names_become({"a": "New", "c": "Gamma"})
        # As many records as the topic had before: a reader that goes on where it was would miss them.
        await make_anew(1, {"a": "Newest"}, {"b": "Back"}, *[{"c": "Delta"}] * 20)
        await names_become({"a": "Newest", "b": "Back", "c": "Delta"})
        assert worker.end() == 0
    await make_anew(1, {"a": "Made while nobody looked"})
    with connect(settings.clickhouse) as store, worker_process(settings, tmp_path) as worker:
        await names_become({"a": "Made while nobody looked", "b": "Back", "c": "Delta"})
        assert worker.end() == 0
