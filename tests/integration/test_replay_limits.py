"""`voicemon replay` stopped in the middle, on a store that refuses a row, and on a log that has lost its beginning."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest
from aiohttp import web
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.runtime.broker import prepare_topics
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.topics import Topics
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.integration.records import Outgoing, dead_letters, encoded, send, text
from tests.store_stub import StoreStub, never, running_stub
from tests.workers import ROOT, environment, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

EVENTS = 20
REFUSED = 7
DELETED = 5
DEADLINE_SECONDS = 60
Place = tuple[int, int]


async def replay(settings: Settings, *options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "app.cli", "replay", *options)
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment(settings), stdout=PIPE, stderr=PIPE)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Exit code and output; fails if the process does not end."""
    try:
        output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    assert b"Traceback" not in errors, errors.decode()
    return process.returncode, output.decode()


class FirstPartitionOnly:
    """A store that takes the rows of partition 0 and never answers those of partition 1."""

    def __init__(self) -> None:
        self.stored: list[Place] = []
        self.hangs = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        lines = [json.loads(line) for line in (await request.read()).splitlines() if line.startswith(b"{")]
        places = [(line["source_partition"], line["source_offset"]) for line in lines]
        if any(partition == 1 for partition, _ in places):
            self.hangs.set()
            return await never(request)
        self.stored += places
        return web.Response()


async def stop_in_the_middle(settings: Settings, stub: StoreStub) -> list[Place]:
    """Interrupt a replay as Ctrl-C does; the places that were stored."""
    store = stub.behaviour = FirstPartitionOnly()
    stubbed = settings.model_copy(update={"clickhouse": stub.settings})
    process = await replay(stubbed, "--from", "0")
    await asyncio.wait_for(store.hangs.wait(), DEADLINE_SECONDS)
    process.send_signal(signal.SIGINT)
    code, output = await ended(process)
    assert code == 1
    assert "Stopped. The same command goes on from here." in output
    return store.stored


def stored_places(settings: Settings) -> list[Place]:
    client = connect(settings.clickhouse)
    try:
        rows = client.query("SELECT source_partition, source_offset FROM events ORDER BY ALL").result_rows
        return [(int(partition), int(offset)) for partition, offset in rows]
    finally:
        client.close()


def prepare_store(settings: Settings) -> None:
    client = connect(settings.clickhouse)
    try:
        migrate(client, settings)
        client.command("ALTER TABLE events ADD CONSTRAINT a_test CHECK organizationId != 'refused'")
    finally:
        client.close()


async def delete_beginning(settings: Settings) -> None:
    """Delete the first records of partition 0, as the topic's retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    try:
        topic = Topics(settings.kafka.topic_prefix).events
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(DELETED)})
    finally:
        await admin.close()


async def test_a_replay_goes_on_where_it_was_stopped_and_says_what_it_cannot_bring_back(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 2})
    await prepare_topics(settings.kafka, ())
    for partition in (0, 1):
        organizations = ["refused" if (partition, at) == (1, REFUSED) else "kept" for at in range(EVENTS)]
        await send(settings, [Outgoing(encoded(name)) for name in organizations], partition=partition)
    await asyncio.to_thread(prepare_store, settings)
    async with running_stub() as stub:
        first = await stop_in_the_middle(settings, stub)
    assert first == [(0, offset) for offset in range(EVENTS)]

    code, output = await ended(await replay(settings, "--from", "0", "--json"))
    found: dict[str, Any] = json.loads(output)
    assert code == 1, "a refused row is a failure"
    assert (found["resumedOffsets"], found["records"], found["complete"]) == (EVENTS, EVENTS, True)
    assert found["refusedByStore"] == [{"partition": 1, "offset": REFUSED}]
    rest = await asyncio.to_thread(stored_places, settings)
    assert rest == [(1, offset) for offset in range(EVENTS) if offset != REFUSED]
    letter = (await dead_letters(settings, [(1, REFUSED)]))[1, REFUSED]
    assert text(letter, "reason") == "refused_by_store"
    assert json.loads(letter.value or b"")["organizationId"] == "refused"

    await delete_beginning(settings)
    code, output = await ended(await replay(settings, "--partition", "0", "--from-offset", "0"))
    assert code == 0
    assert f"{EVENTS - DELETED} records read: {EVENTS - DELETED} rows" in output
    assert f"The log of partition 0 begins at offset {DELETED}, appended 20" in output
    assert len(await asyncio.to_thread(stored_places, settings)) == len(rest) + EVENTS - DELETED
