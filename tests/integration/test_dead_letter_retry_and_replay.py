"""`voicemon dead-letters` and `voicemon replay` beside a running worker."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.runtime.log_position import committed_offsets, group_lag
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.topics import Topics
from sinks.clickhouse.client import connect
from tests.integration.records import Outgoing, dead_letters, encoded, event, send, until_received, until_stored
from tests.workers import ROOT, WorkerProcess, environment, eventually, read_topic, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(240)]

EARLY_MS = 5_000


async def run(settings: Settings, *arguments: str) -> tuple[int, dict[str, Any]]:
    def call() -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "app.cli", *arguments, "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(settings), timeout=90, capture_output=True, check=False
        )
        assert done.stdout, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)

    return await asyncio.to_thread(call)


async def test_refused_records_are_sent_again_once_and_lost_rows_come_back(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(
        kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 2}, ingest={"max_ahead_seconds": 1}
    )
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        await retry_sends_each_record_once(worker)
        await replay_brings_rows_back(worker)


async def retry_sends_each_record_once(worker: WorkerProcess) -> None:
    settings = worker.settings
    due_ms = time.time_ns() // 1_000_000 + EARLY_MS
    early = event("early", timestamp=due_ms, errorMessage="Mrs Example, 0151 2345678")
    record = Outgoing(json.dumps(early).encode(), b"the key", (("trace", b"\xff1"), ("reason", b"theirs")))
    [place] = await send(settings, [record], partition=1)
    [bad] = await send(settings, [Outgoing(b'{"name": "Mrs Example"')], partition=0)
    letters = await dead_letters(settings, [place, bad])

    code, page = await run(settings, "dead-letters", "list", "--limit", "1")
    _, rest = await run(settings, "dead-letters", "list", "--cursor", page["cursor"])
    listed = page["deadLetters"] + rest["deadLetters"]
    assert code == 0
    assert rest["cursor"] is None
    assert {(one["sourcePartition"], one["reason"]) for one in listed} == {(1, "timestamp_too_new"), (0, "bad_json")}
    assert "Example" not in json.dumps(listed)
    _, one = await run(settings, "dead-letters", "list", "--event-id", early["eventId"].upper(), "--partition", "1")
    assert [found["sourceOffset"] for found in one["deadLetters"]] == [place[1]]
    assert early["eventId"] in one["deadLetters"][0]["preview"]

    choice = ("dead-letters", "retry", "--reason", "timestamp_too_new")
    await eventually(lambda: time.time_ns() // 1_000_000 >= due_ms, "the event is no longer early")
    _, plan = await run(settings, *choice, "--dry-run")
    assert (plan["chosen"], plan["sent"], plan["wouldBeRefusedAgain"]) == (1, 0, {})
    _, first = await run(settings, *choice, "--yes")
    _, second = await run(settings, *choice, "--yes")
    assert (first["sent"], second["sent"], second["retriedBefore"]) == (1, 0, 1)
    await until_received(worker, "early", 1)
    await until_stored(settings, "early", 1)
    topic = Topics(settings.kafka.topic_prefix).events
    again = (await read_topic(settings.kafka.bootstrap, topic))[-1]
    letter = letters[place]
    mark = ("voicemon-retried-from", f"{letter.partition}-{letter.offset}".encode())
    assert (again.partition, again.key, again.value) == (1, record.key, record.value)
    assert again.headers == (*record.headers, mark)

    choice = ("dead-letters", "retry", "--all", "--yes")
    _, first = await run(settings, *choice)
    assert (first["sent"], first["wouldBeRefusedAgain"]) == (1, {"bad_json": 1})
    await dead_letters(settings, [(bad[0], bad[1] + 1)])
    _, second = await run(settings, *choice)
    assert (second["sent"], second["failedAgain"], second["retriedBefore"]) == (0, 1, 2)


async def replay_brings_rows_back(worker: WorkerProcess) -> None:
    settings = worker.settings
    values = [encoded("kept") for _ in range(30)]
    places = await send(settings, [Outgoing(value) for value in [*values, *values[:3]]], partition=0)
    await until_stored(settings, "kept", 30)

    async def is_committed() -> bool:
        return all(committed == end for committed, end in (await group_lag(settings.kafka)).values())

    await eventually(is_committed, "all is committed")
    before = await asyncio.to_thread(state, settings)
    commits = await committed_offsets(settings.kafka)
    letters = len(await read_topic(settings.kafka.bootstrap, Topics(settings.kafka.topic_prefix).dead_letters))

    code, intact = await run(settings, "replay", "--from", "0")
    assert (code, intact["complete"], intact["duplicates"], intact["refusedByStore"]) == (0, True, 3, [])
    assert await asyncio.to_thread(state, settings) == before

    await asyncio.to_thread(delete_rows, settings)
    assert await asyncio.to_thread(state, settings) != before
    _, resumed = await run(settings, "replay", "--from", "0")
    assert (resumed["records"], resumed["resumedOffsets"]) == (0, intact["records"])
    # From the middle: copies of records before it are still known as copies.
    span = ("--partition", "0", "--from-offset", str(places[10][1]), "--to-offset", str(places[-1][1]))
    _, middle = await run(settings, "replay", *span)
    assert (middle["records"], middle["rows"], middle["duplicates"]) == (23, 20, 3)
    _, whole = await run(settings, "replay", "--from", "0", "--restart")
    assert whole["records"] == intact["records"]
    assert await asyncio.to_thread(state, settings) == before

    assert await committed_offsets(settings.kafka) == commits
    assert letters == len(await read_topic(settings.kafka.bootstrap, Topics(settings.kafka.topic_prefix).dead_letters))
    code, audited = await run(settings, "audit", "--worker", f"http://127.0.0.1:{settings.web.port}")
    assert (code, audited["differences"]["total"]) == (0, 0), audited["differences"]


def state(settings: Settings) -> list[Any]:
    client = connect(settings.clickhouse)
    try:
        columns = "eventId, eventType, timestamp, organizationId, source_partition, source_offset, append_time_ms"
        return list(client.query(f"SELECT {columns} FROM events FINAL ORDER BY eventId").result_rows)
    finally:
        client.close()


def delete_rows(settings: Settings) -> None:
    client = connect(settings.clickhouse)
    try:
        client.command("DELETE FROM events WHERE organizationId = 'kept' AND source_offset % 2 = 0")
    finally:
        client.close()
