"""`voicemon dead-letters` and `voicemon replay` beside a running worker."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents.roll_up import RollUp
from app.audit.run import Question as AuditQuestion
from app.audit.run import audit
from app.dead_letters.choice import Choice
from app.dead_letters.listing import list_letters
from app.dead_letters.retry import Plan, Retry
from app.replay.question import Question
from app.replay.run import Replay, Result
from app.runtime.broker import application_id
from app.runtime.clock import SystemClock
from app.runtime.log_position import committed_offsets, group_lag
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.sole_run import RunsElsewhere, sole_run
from app.runtime.topics import Topics
from sinks.clickhouse.client import connect
from sinks.clickhouse.sink import ClickHouseSink
from tests.integration.records import Outgoing, dead_letters, encoded, event, send, until_received, until_stored
from tests.workers import ROOT, WorkerProcess, environment, eventually, read_topic, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(240)]

EARLY_MS = 5_000
HOUR_MS = 3_600_000


async def command(settings: Settings, *arguments: str) -> tuple[int, dict[str, Any]]:
    def call() -> tuple[int, dict[str, Any]]:
        words = [sys.executable, "-m", "app.cli", *arguments, "--json"]
        done = subprocess.run(words, cwd=ROOT, env=environment(settings), timeout=90, capture_output=True, check=False)
        assert done.stdout, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)

    return await asyncio.to_thread(call)


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


async def retry(settings: Settings, choice: Choice, *, send_them: bool = True) -> tuple[Plan, int]:
    work = Retry(settings, choice, SystemClock(), silent)
    plan = await work.plan()
    return plan, await work.send(plan) if send_them else 0


async def replay(settings: Settings, question: Question, *, restart: bool = False) -> Result:
    sink = ClickHouseSink(settings.clickhouse)
    try:
        work = Replay(settings, question, sink, SystemClock(), silent)
        await work.run(restart=restart)
    finally:
        await sink.close()
    return work.result


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

    page = await list_letters(settings.kafka, Choice(), 1, None)
    assert page.cursor == str(page.entries[0].place)
    rest = await list_letters(settings.kafka, Choice(), 1, page.entries[0].place)
    assert rest.cursor is None
    found = {(one.source.partition, one.reason) for one in page.entries + rest.entries}
    assert found == {(1, "timestamp_too_new"), (0, "bad_json")}
    words = ("--event-id", early["eventId"].upper(), "--partition", "1")
    code, listed = await command(settings, "dead-letters", "list", *words)
    assert code == 0
    assert [one["sourceOffset"] for one in listed["deadLetters"]] == [place[1]]
    assert "Example" not in json.dumps(listed)

    choice = Choice(reasons=("timestamp_too_new",))
    await eventually(lambda: time.time_ns() // 1_000_000 >= due_ms, "the event is no longer early")
    plan, sent = await retry(settings, choice, send_them=False)
    assert (len(plan.chosen), plan.again.total(), sent) == (1, 0, 0)
    _, first = await command(settings, "dead-letters", "retry", "--reason", "timestamp_too_new", "--yes")
    plan, second = await retry(settings, choice)
    assert (first["sent"], second, plan.retried_before) == (1, 0, 1)
    await until_received(worker, "early", 1)
    await until_stored(settings, "early", 1)
    log = await read_topic(settings.kafka.bootstrap, Topics(settings.kafka.topic_prefix).events)
    letter = letters[place]
    mark = ("voicemon-retried-from", f"{letter.partition}-{letter.offset}".encode())
    assert (log[-1].partition, log[-1].key, log[-1].value) == (1, record.key, record.value)
    assert log[-1].headers == (*record.headers, mark)

    work = Retry(settings, Choice(), SystemClock(), silent)
    plan, same = await work.plan(), await work.plan()
    group = f"{application_id(settings.kafka)}-retry"
    async with sole_run(settings.kafka, Topics(settings.kafka.topic_prefix).dead_letters, group):
        with pytest.raises(RunsElsewhere):
            await work.send(plan)
    assert (await work.send(plan), plan.again) == (1, {"bad_json": 1})
    assert (await work.send(same), len(same.chosen)) == (0, 1), "another run has sent it meanwhile"
    await dead_letters(settings, [(bad[0], bad[1] + 1)])
    plan, sent = await retry(settings, Choice())
    assert (sent, plan.failed_again, plan.retried_before) == (0, 1, 2)


async def replay_brings_rows_back(worker: WorkerProcess) -> None:
    settings = worker.settings
    values = [encoded("kept") for _ in range(30)]
    earlier = [encoded("kept", timestamp=time.time_ns() // 1_000_000 - hours * HOUR_MS) for hours in (1, 2, 24)]
    await send(settings, [Outgoing(value) for value in earlier], partition=1)
    places = await send(settings, [Outgoing(value) for value in [*values, *values[:3]]], partition=0)
    await until_stored(settings, "kept", 30 + len(earlier))

    async def is_committed() -> bool:
        return all(committed == end for committed, end in (await group_lag(settings.kafka)).values())

    await eventually(is_committed, "all is committed")
    before = await asyncio.to_thread(state, settings)
    snapshots = await asyncio.to_thread(computed_snapshots, settings)
    assert {(period, scope) for period, _, scope in snapshots} >= {
        (period, scope) for period in ("hourly", "daily") for scope in ("", "kept")
    }
    commits = await committed_offsets(settings.kafka)
    dead_letter_topic = Topics(settings.kafka.topic_prefix).dead_letters
    letters = len(await read_topic(settings.kafka.bootstrap, dead_letter_topic))

    code, intact = await command(settings, "replay", "--from", "0")
    assert (code, intact["complete"], intact["duplicates"], intact["refusedByStore"]) == (0, True, 3, [])
    assert await asyncio.to_thread(state, settings) == before
    # An hour may have ended meanwhile.
    assert (await asyncio.to_thread(computed_snapshots, settings)).items() >= snapshots.items()

    await asyncio.to_thread(delete_rows, settings)
    assert await asyncio.to_thread(state, settings) != before
    everything = Question(from_ms=0)
    resumed = await replay(settings, everything)
    assert (resumed.records, resumed.resumed) == (0, intact["records"])
    # From the middle: copies of records before it are still known as copies.
    middle = await replay(settings, Question(partition=0, from_offset=places[10][1], to_offset=places[-1][1]))
    assert (middle.records, middle.rows, middle.duplicates) == (23, 20, 3)
    assert (await replay(settings, everything, restart=True)).records == intact["records"]
    assert await asyncio.to_thread(state, settings) == before
    # An hour may have ended meanwhile.
    assert (await asyncio.to_thread(computed_snapshots, settings)).items() >= snapshots.items()

    assert await committed_offsets(settings.kafka) == commits
    assert len(await read_topic(settings.kafka.bootstrap, dead_letter_topic)) == letters
    asked = AuditQuestion(workers=[f"http://127.0.0.1:{settings.web.port}"])
    report = await asyncio.to_thread(audit, settings, asked, SystemClock(), lambda text: None)
    assert report.is_clean, report.differences


def state(settings: Settings) -> list[Any]:
    client = connect(settings.clickhouse)
    try:
        columns = "eventId, eventType, timestamp, organizationId, source_partition, source_offset, append_time_ms"
        return list(client.query(f"SELECT {columns} FROM events FINAL ORDER BY eventId").result_rows)
    finally:
        client.close()


def computed_snapshots(settings: Settings) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Every snapshot row by period and scope, computed just now where rows have come since."""
    client, clock = connect(settings.clickhouse), SystemClock()
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    try:
        RollUp(client, settings, clock).run_once(clock.now_ms())
        for period in ("hourly", "daily"):
            for row in client.query(f"SELECT * FROM snapshots_{period}_figures").named_results():
                figures = {name: value for name, value in row.items() if name not in {"computed_at", "createdAt"}}
                found[period, str(row["periodStart"]), row["organizationId"]] = figures
    finally:
        client.close()
    return found


def delete_rows(settings: Settings) -> None:
    client = connect(settings.clickhouse)
    try:
        client.command("DELETE FROM events WHERE organizationId = 'kept' AND source_offset % 2 = 0")
    finally:
        client.close()
