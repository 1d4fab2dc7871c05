"""`voicemon audit` on a real log, a real worker and a real store: silent when all is right, exact when not."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from app.runtime.log_position import group_lag
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect
from tests.integration.records import Outgoing, encoded, send
from tests.workers import ROOT, WorkerProcess, environment, eventually, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(240)]

EVENTS, DUPLICATES, BAD = 40, 3, 4
REFUSED = "org-refused"
HOUR_MS = 3_600_000


@contextmanager
def database(settings: Settings) -> Iterator[Client]:
    client = connect(settings.clickhouse)
    try:
        yield client
    finally:
        client.close()


def run_audit(worker: WorkerProcess, *options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "app.cli", "audit", "--json", *options]
    variables = environment(worker.settings)
    done = subprocess.run(command, cwd=ROOT, env=variables, timeout=100, capture_output=True, check=False)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


async def publish(settings: Settings) -> None:
    """Good events, repeats, bad ones, one that is too late for its window, one whose row the store will refuse.

    In another partition a copy, and another event with an id that is taken.
    """
    now_ms = time.time_ns() // 1_000_000
    good = [encoded(f"org-{number % 3}") for number in range(EVENTS)]
    records = [Outgoing(value) for value in good + good[:DUPLICATES]]
    records += [Outgoing(value, b"bad") for value in (None, b"", b"{", encoded("org-1", timestamp=1_000))]
    records += [Outgoing(encoded("org-late", timestamp=now_ms - 10 * HOUR_MS)), Outgoing(encoded(REFUSED))]
    await send(settings, records, partition=0)
    other = json.dumps(json.loads(good[1]) | {"organizationId": "org-3"}).encode()
    await send(settings, [Outgoing(good[0], b"another key"), Outgoing(other, b"another key")], partition=1)

    async def is_committed() -> bool:
        return all(committed == end for committed, end in (await group_lag(settings.kafka)).values())

    await eventually(is_committed, "all is committed")


async def test_an_audit_is_silent_when_all_is_right_and_names_what_is_not(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(
        kafka_bootstrap, clickhouse, unique_prefix,
        # So long that no worker deletes the row of the id that is taken.
        kafka={"partitions": 2}, rollup={"copies_seconds": 3600},
    )  # fmt: skip
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        await asyncio.to_thread(refuse_rows, settings)
        await publish(settings)
        await marks_are_shown(worker)
        code, found = await asyncio.to_thread(run_audit, worker)
        assert (code, found["differences"]["total"]) == (0, 0), found["differences"]
        first = found["partitions"][0]
        assert (first["accepted"], first["duplicates"], first["deadLetters"], first["late"]) == (
            EVENTS + 2, DUPLICATES, BAD, 1,
        )  # fmt: skip
        assert found["notes"] == {
            "copiesAcrossPartitions": 2, "late": 1, "repeatedDeadLetters": 0, "refusedByStore": 1,
            "removedCopies": 0, "idConflicts": 1, "frozenRows": 0,
        }  # fmt: skip
        assert [(row["organizationId"], row["offset"]) for row in found["refusedByStore"]] == [(REFUSED, 48)]
        assert found["workers"][0]["counters"] == 5 + 3, "four organisations and all; two and all in partition 1"
        totals = {name: sum(hour[name] for hour in found["store"]) for name in ("stored", "refusedByStore")}
        assert totals == {"stored": EVENTS + 2, "refusedByStore": 1}
        assert max(hour["idConflicts"] for hour in found["store"]) == 1

        await asyncio.to_thread(spoil, settings)
        code, found = await asyncio.to_thread(run_audit, worker)
        assert code == 1
        assert found["differences"]["byKind"] == {"store": 3}
        totals = {name: sum(hour[name] for hour in found["store"]) for name in ("missing", "extra", "differing")}
        assert totals == {"missing": 1, "extra": 1, "differing": 1}
        code, found = await asyncio.to_thread(run_audit, worker, "--no-store")
        assert (code, found["store"]) == (0, None)


def refuse_rows(settings: Settings) -> None:
    """From now on the store refuses rows of an organisation."""
    with database(settings) as client:
        client.command(f"ALTER TABLE events ADD CONSTRAINT a_test CHECK organizationId != '{REFUSED}'")


async def marks_are_shown(worker: WorkerProcess) -> None:
    """The counts that hold the refused event say so, and only those."""
    _, body = await worker.ask("/tables/counters/?counterType=artifacts_received_1h")
    marked = {entry.get("organizationId"): entry.get("refusedByStore") for entry in body["entries"]}
    assert marked == {None: 1, REFUSED: 1, **dict.fromkeys(["org-0", "org-1", "org-2", "org-3"])}
    _, live = await worker.ask(f"/api/v1/metrics/realtime?organizationId={REFUSED}")
    assert live["refusedByStore"]["artifactsReceived1h"] == 1
    _, other = await worker.ask("/api/v1/metrics/realtime?organizationId=org-1")
    assert "refusedByStore" not in other


def spoil(settings: Settings) -> None:
    """One row less, one too many, one with other content."""
    with database(settings) as client:
        client.command("DELETE FROM events WHERE source_partition = 0 AND source_offset = 5")
        client.command(
            "INSERT INTO events (eventId, eventType, timestamp, organizationId, source_partition, source_offset, "
            "append_time_ms) SELECT generateUUIDv4(), eventType, timestamp, organizationId, 0, 6, append_time_ms "
            "FROM events WHERE source_partition = 0 AND source_offset = 6"
        )
        # Of equal keys the least append time wins.
        client.command(
            "INSERT INTO events (eventId, eventType, timestamp, organizationId, artifactId, source_partition, "
            "source_offset, append_time_ms) SELECT eventId, eventType, timestamp, organizationId, 'other', 0, 7, "
            "append_time_ms - 1 FROM events WHERE source_partition = 0 AND source_offset = 7"
        )


async def test_a_partition_view_is_exact_for_its_offset(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 2})
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        await send(settings, [Outgoing(encoded("a")) for _ in range(5)], partition=0)
        await send(settings, [Outgoing(encoded("b")) for _ in range(3)], partition=1)

        async def all_counted() -> bool:
            _, body = await worker.ask("/tables/counters/?detail=partitions&limit=1000000")
            return [at["offset"] for at in body["partitions"]] == [4, 2]

        await eventually(all_counted, "both partitions are counted")
        _, body = await worker.ask("/tables/counters/?partition=1")
        assert {entry["partition"] for entry in body["entries"]} == {1}
        values = {entry.get("organizationId"): entry["currentValue"] for entry in body["entries"]}
        assert values == {None: 3, "b": 3}
        assert all(at["owner"] and at["asOf"] for at in body["partitions"])
        _, body = await worker.ask("/tables/counters/")
        assert "partition" not in body["entries"][0]
        for wrong in ("partition=2", "partition=x", "detail=all"):
            assert (await worker.ask(f"/tables/counters/?{wrong}"))[0] == 400


def test_a_range_that_ends_before_it_begins_is_wrong_use() -> None:
    command = [sys.executable, "-m", "app.cli", "audit", "--from", "2026-02-16", "--to", "2026-02-15"]
    assert subprocess.run(command, cwd=ROOT, timeout=30, capture_output=True, check=False).returncode == 2
