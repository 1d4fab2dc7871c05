"""Refused records are listed and sent again, each once, and counted after the reason is mended."""

import asyncio
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from app.runtime.settings import ClickHouseSettings, Settings
from tests.integration.test_crash_windows import committed_everything, stored
from tests.workers import ROOT, environment, eventually, read_topic, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

HOUR_MS = 3_600_000


def command(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """Exit code, and the JSON answer or what stderr says."""
    parts = [sys.executable, "-m", "app.cli", "dead-letters", *arguments]
    done = subprocess.run(
        parts, cwd=ROOT, env=environment(settings), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 and "--json" in arguments else done.stderr


def event(timestamp: int, **fields: object) -> bytes:
    base = {"eventId": str(uuid.uuid4()), "eventType": "artifact_received", "timestamp": timestamp}
    return json.dumps(base | fields).encode()


async def publish(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for at, value in enumerate(values):
        headers = [("trace", b"t%d" % at), ("reason", b"theirs")]
        await producer.send_and_wait(topic, value, b"key-%d" % at, partition=1, headers=headers)
    await producer.stop()


async def test_refused_records_are_listed_and_sent_again_once(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    now_ms = time.time_ns() // 1_000_000
    strict = worker_settings(
        kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 2}, ingest={"max_age_hours": 1}
    )
    mended = strict.model_copy(update={"ingest": strict.ingest.model_copy(update={"max_age_hours": 48})})
    topic = f"{unique_prefix}voice-events"
    late = [event(now_ms - 5 * HOUR_MS, errorMessage="words of a coach", artifactId=f"a{at}") for at in range(3)]
    ancient = event(now_ms - 90 * HOUR_MS)

    async def letters(count: int) -> list[Any]:
        async def are_there() -> bool:
            found = await read_topic(kafka_bootstrap, f"{topic}-dead-letter")
            return len([one for one in found if "reason" in dict(one.headers)]) == count

        await eventually(are_there, f"{count} dead letters")
        return [one for one in await read_topic(kafka_bootstrap, f"{topic}-dead-letter") if one.headers]

    with worker_process(strict, tmp_path) as worker:
        await worker.until_ready()
        await publish(kafka_bootstrap, topic, [*late, ancient, b"no event"])
        await letters(5)

    code, listed = await asyncio.to_thread(command, mended, "list", "--json")
    assert code == 0
    assert [one["reason"] for one in listed["page"]] == ["timestamp_too_old"] * 4 + ["bad_json"]
    assert [one["sourceOffset"] for one in listed["page"]] == [0, 1, 2, 3, 4]
    assert "coach" not in json.dumps(listed)
    assert "<16 characters>" in listed["page"][0]["preview"]
    code, second = await asyncio.to_thread(command, mended, "list", "--json", "--limit", "2", "--cursor", "2")
    assert [one["sourceOffset"] for one in second["page"]] == [2, 3]
    assert second["continueCursor"] == "4"

    chosen = ("retry", "--json", "--reason", "timestamp_too_old")
    code, dry = await asyncio.to_thread(command, mended, *chosen, "--dry-run")
    assert (dry["chosen"], dry["tooOld"], dry["sent"]) == (4, 1, 0)
    code, said = await asyncio.to_thread(command, mended, *chosen)
    assert code == 2
    assert "--yes" in said
    code, first = await asyncio.to_thread(command, mended, *chosen, "--yes")
    assert (code, first["sent"]) == (0, 4)
    code, again = await asyncio.to_thread(command, mended, *chosen, "--yes")
    assert (again["sent"], again["sentBefore"]) == (0, 4)

    records = await read_topic(kafka_bootstrap, topic)
    originals, copies = records[:5], records[5:]
    assert [one.value for one in copies] == [*late, ancient]
    for original, copy in zip(originals, copies, strict=False):
        assert (copy.partition, copy.key) == (original.partition, original.key)
        assert list(copy.headers) == [*original.headers, ("retried-from", f"1-{original.offset}".encode())]

    with worker_process(mended, tmp_path):
        await letters(6)
        await eventually(lambda: committed_everything(mended), "everything is committed")
    assert await asyncio.to_thread(stored, mended) == (3, 3)
    code, after = await asyncio.to_thread(command, mended, *chosen, "--yes")
    assert (after["sent"], after["sentBefore"], after["refusedAgain"]) == (0, 4, 1)
