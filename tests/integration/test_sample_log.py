"""The recorded log, published byte for byte with its timestamps, gives the expected results all the way."""

import asyncio
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from app.domain.counters import COUNTER_TYPES, RESULT_FIELDS
from app.domain.recount import recount
from app.domain.windows import HOUR_MS
from app.queries.realtime import real_time_metrics
from app.runtime.settings import ClickHouseSettings, Settings
from app.worker import Worker
from sinks.clickhouse.client import connect
from tests.sample_log import FOLDER, read_expected, read_log
from tests.workers import ROOT, environment, eventually, read_topic, running_worker, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

LOGS = {"events": "events.ndjson", "worked_example": "worked_example.ndjson"}
EXPECTED = {"events": "expected.json", "worked_example": "worked_example_expected.json"}
FOR_EVER_HOURS = 100_000


@dataclass
class Outcome:
    """What came out of one log."""

    name: str
    expected: dict[str, Any]
    worker: Worker
    settings: Settings
    dead_letters: list[Any]
    lines_at: dict[tuple[int, int], int]


@pytest_asyncio.fixture(params=LOGS)
async def outcome(
    request: pytest.FixtureRequest, kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str
) -> AsyncIterator[Outcome]:
    name = request.param
    settings = worker_settings(
        kafka_bootstrap, clickhouse, unique_prefix,
        # Some copies come under another key: only in one partition does a live counter see that they are copies.
        kafka={"timestamp_type": "CreateTime", "partitions": 1},
        ingest={"window_retention_hours": FOR_EVER_HOURS},
        retention={"events_hours": FOR_EVER_HOURS},
    )  # fmt: skip
    expected = read_expected(EXPECTED[name])
    async with running_worker(settings) as worker:
        await eventually(lambda: not worker.view.not_ready(), "the worker is ready")
        await asyncio.to_thread(publish, settings, LOGS[name])
        await eventually(lambda: accounted_for(worker) == expected["records"]["total"], "every record is accounted for")
        await eventually(lambda: stored_count(worker) == expected["records"]["accepted"], "every row is stored")
        letters = await read_topic(kafka_bootstrap, f"{unique_prefix}voice-events-dead-letter")
        log = await read_topic(kafka_bootstrap, f"{unique_prefix}voice-events")
        yield Outcome(name, expected, worker, settings, letters, places(log, LOGS[name]))


def publish(settings: Settings, name: str) -> None:
    command = [sys.executable, "-m", "app.cli", "publish", str(FOLDER / name), "--json"]
    subprocess.run(command, cwd=ROOT, env=environment(settings), check=True, timeout=60, capture_output=True)


def metric(worker: Worker, name: str) -> float:
    samples = [sample for family in worker.telemetry.registry.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


def accounted_for(worker: Worker) -> float:
    names = ("accepted", "duplicate", "rejected")
    return sum(metric(worker, f"voicemon_events_{name}_total") for name in names)


def stored_count(worker: Worker) -> float:
    return metric(worker, "voicemon_rows_stored_total")


def places(log: list[Any], name: str) -> dict[tuple[int, int], int]:
    """Line number of each record of the topic, by partition and offset; equal records keep their order."""
    lines = defaultdict(deque)
    for line in read_log(name):
        lines[line.append_time_ms, line.key, line.value].append(line.offset)
    return {
        (record.partition, record.offset): lines[record.timestamp, record.key, record.value].popleft() for record in log
    }


async def test_a_recorded_log_gives_exactly_the_expected_results(outcome: Outcome) -> None:
    expected = outcome.expected
    assert len(outcome.lines_at) == expected["records"]["total"]
    assert metric(outcome.worker, "voicemon_events_duplicate_total") == expected["records"]["duplicates"]
    assert hourly_counters(outcome.worker) == expected_hours(expected["hourlyCounters"])
    assert trailing_counters(outcome) == expected["trailingCounters"]
    assert refused_lines(outcome) == sorted((row["index"], row["reason"]) for row in expected.get("deadLetters", []))
    assert anomalies(outcome.worker) == {name: count for name, count in expected["anomalies"].items() if count}
    assert await asyncio.to_thread(stored_ids, outcome.settings) == accepted_ids(outcome.name)


def hourly_counters(worker: Worker) -> dict[tuple[int, str | None, str], int]:
    return {
        (entry.window_start_ms, entry.organization_id, entry.counter_type): entry.value
        for entry in worker.view.counters.entries()
    }


def expected_hours(rows: list[dict[str, Any]]) -> dict[tuple[int, str | None, str], int]:
    return {
        (row["windowStart"], row.get("organizationId"), counter_type): row[field]
        for row in rows
        for counter_type, field in zip(COUNTER_TYPES, RESULT_FIELDS, strict=True)
        if row[field]
    }


def trailing_counters(outcome: Outcome) -> list[dict[str, Any]]:
    found = []
    for row in outcome.expected["trailingCounters"]:
        organization = row.get("organizationId")
        scope = {} if organization is None else {"organizationId": organization}
        figures = real_time_metrics(outcome.worker.view.counters, organization, row["at"])
        assert figures["windowStart"] == row["at"] - row["at"] % HOUR_MS
        found.append({**figures["last60Minutes"], "at": row["at"], **scope})  # type: ignore[dict-item]
    return found


def refused_lines(outcome: Outcome) -> list[tuple[int, str]]:
    found = []
    for letter in outcome.dead_letters:
        headers = dict(letter.headers)
        place = (int(headers["source-partition"]), int(headers["source-offset"]))
        found.append((outcome.lines_at[place], headers["reason"].decode()))
    return sorted(found)


def anomalies(worker: Worker) -> dict[str, float]:
    names = {"unusable_values": "unusableValues", "unknown_metadata_keys": "unknownMetadataKeys"}
    names |= {"stage_mismatches": "stageMismatches", "bad_durations": "badDurations"}
    families = {family.name: family for family in worker.telemetry.registry.collect()}
    samples = families["voicemon_event_anomalies"].samples
    return {names[sample.labels["kind"]]: sample.value for sample in samples}


def stored_ids(settings: Settings) -> list[str]:
    client = connect(settings.clickhouse)
    try:
        rows = client.query("SELECT toString(eventId) FROM events ORDER BY 1").result_rows
    finally:
        client.close()
    return [row[0] for row in rows]


def accepted_ids(name: str) -> list[str]:
    return sorted(accepted.event.event_id for accepted in recount(read_log(LOGS[name])).accepted)
