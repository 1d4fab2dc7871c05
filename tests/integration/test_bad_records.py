"""One bad record between good ones: it becomes a dead letter, everything else is counted and stored."""

import hashlib
import json
import random
import uuid

import pytest

from app.domain.rejects import RejectReason
from app.domain.windows import HOUR_MS
from app.runtime.broker import DEAD_LETTER_ALLOWANCE
from sinks.clickhouse.client import connect
from sinks.dead_letter import original_headers
from tests.integration.records import (
    Outgoing,
    dead_letters,
    encoded,
    event,
    send,
    text,
    until_received,
    until_stored,
    with_raw,
)
from tests.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(120)]

MIB = 1024 * 1024
LIMIT = 16 * MIB
HEADERS = (("trace", b"\x00\xff"), ("reason", b"mine"), ("original-reason", b"older"), ("source-offset", b"-1"))


@pytest.fixture
def organization() -> str:
    return f"org_{uuid.uuid4().hex}"


def lacking(organization: str, name: str) -> bytes:
    fields = event(organization)
    del fields[name]
    return json.dumps(fields).encode()


def bad_values(organization: str) -> list[tuple[bytes | None, RejectReason]]:
    fields = event(organization)
    now = fields["timestamp"]
    return [
        (None, RejectReason.EMPTY_VALUE),
        (b"", RejectReason.EMPTY_VALUE),
        (with_raw(organization, '"unknown \udcff":1'), RejectReason.INVALID_UTF8),
        (with_raw(organization, '"unknown":"\x00"'), RejectReason.BAD_JSON),
        (encoded(organization) + b"\x00", RejectReason.BAD_JSON),
        (with_raw(organization, '"unknown":' + "[" * 100_000 + "]" * 100_000), RejectReason.BAD_JSON),
        (b"[" * 100_000, RejectReason.BAD_JSON),
        (b"[]", RejectReason.NOT_AN_OBJECT),
        (lacking(organization, "eventId"), RejectReason.MISSING_EVENT_ID),
        (encoded(organization, eventId="x"), RejectReason.INVALID_EVENT_ID),
        (lacking(organization, "eventType"), RejectReason.MISSING_EVENT_TYPE),
        (encoded(organization, eventType="x"), RejectReason.UNKNOWN_EVENT_TYPE),
        (with_raw(organization, '"eventType":"x"'), RejectReason.UNKNOWN_EVENT_TYPE),
        (lacking(organization, "timestamp"), RejectReason.MISSING_TIMESTAMP),
        (encoded(organization, timestamp="x"), RejectReason.INVALID_TIMESTAMP),
        (encoded(organization, pipelineStage="x"), RejectReason.UNKNOWN_STAGE),
        (encoded(organization, timestamp=now - 49 * HOUR_MS), RejectReason.TIMESTAMP_TOO_OLD),
        (with_raw(organization, '"timestamp":-0'), RejectReason.TIMESTAMP_TOO_OLD),
        (encoded(organization, timestamp=now + 10 * 60_000), RejectReason.TIMESTAMP_TOO_NEW),
    ]


async def test_one_bad_record_of_every_kind_between_good_ones(shared_worker: WorkerProcess, organization: str) -> None:
    settings = shared_worker.settings
    bad = bad_values(organization)
    assert {reason for _, reason in bad} == set(RejectReason) - {RejectReason.REFUSED_BY_STORE}
    records = [Outgoing(encoded(organization))]
    for number, (value, _) in enumerate(bad):
        records += [Outgoing(value, f"key {number}".encode(), HEADERS), Outgoing(encoded(organization))]
    await shared_worker.until_ready()
    places = await send(settings, records)
    await until_received(shared_worker, organization, len(bad) + 1)
    rows = await until_stored(settings, organization, len(bad) + 1)
    assert [(row["source_partition"], row["source_offset"]) for row in rows] == places[::2]
    letters = await dead_letters(settings, places[1::2])
    for number, (place, (value, reason)) in enumerate(zip(places[1::2], bad, strict=True)):
        letter = letters[place]
        assert (letter.key, letter.value) == (f"key {number}".encode(), value)
        assert text(letter, "reason") == reason
        assert original_headers(letter.headers) == list(HEADERS)
        assert dict(letter.headers)["original-reason"] == b"mine"
        assert text(letter, "source-topic").endswith("voice-events")


async def test_odd_but_valid_records_are_counted(shared_worker: WorkerProcess, organization: str) -> None:
    records = [
        encoded(organization, errorMessage="x" * 5_000_000),
        encoded(organization, errorMessage="a\x00b"),
        with_raw(organization, '"metadata":{"aiCost":-0.0}'),
        with_raw(organization, '"metadata":{"aiCost":-0}'),
        with_raw(organization, '"coachUserId":"first","coachUserId":"last"'),
        with_raw(organization, '"eventType":"artifact_received","unknown":{"a":1,"a":2}'),
        with_raw(organization, '"unknown":"' + "y" * 5_000_000 + '"'),
    ]
    await shared_worker.until_ready()
    await send(shared_worker.settings, [Outgoing(value) for value in records])
    await until_received(shared_worker, organization, len(records))
    rows = await until_stored(shared_worker.settings, organization, len(records))
    assert [row["size"] for row in rows] == [5_000_000, 3, 0, 0, 0, 0, 0]
    assert [str(row["cost"]) for row in rows[2:4]] == ["0.0", "0.0"]
    assert rows[4]["coach"] == "last"


@pytest.mark.parametrize("size", [5_000_000, LIMIT - 1_000])
async def test_a_large_reject_arrives_whole(shared_worker: WorkerProcess, organization: str, size: int) -> None:
    value = random.Random(size).randbytes(size)
    records = [Outgoing(encoded(organization)), Outgoing(value, b"large"), Outgoing(encoded(organization))]
    await shared_worker.until_ready()
    places = await send(shared_worker.settings, records)
    await until_received(shared_worker, organization, 2)
    letter = (await dead_letters(shared_worker.settings, [places[1]]))[places[1]]
    assert letter.key == b"large"
    assert letter.value == value
    assert "truncated" not in dict(letter.headers)
    await until_stored(shared_worker.settings, organization, 2)


@pytest.mark.parametrize("name", ["barely compressible", "highly compressible"])
async def test_a_reject_larger_than_any_dead_letter_is_cut(
    shared_worker: WorkerProcess, organization: str, name: str
) -> None:
    # A compressed batch may be within the topic's limit although its record is not.
    value = (
        b"7" * 60_000_000 if name == "highly compressible" else random.Random(1).randbytes(14_500_000).hex().encode()
    )
    records = [Outgoing(encoded(organization)), Outgoing(value, b"huge", HEADERS), Outgoing(encoded(organization))]
    await shared_worker.until_ready()
    places = await send(shared_worker.settings, records, "zstd")
    await until_received(shared_worker, organization, 2)
    letter = (await dead_letters(shared_worker.settings, [places[1]]))[places[1]]
    assert text(letter, "truncated") == "value"
    assert text(letter, "size") == str(len(value))
    assert text(letter, "sha256") == hashlib.sha256(value).hexdigest()
    assert value.startswith(letter.value)
    assert LIMIT < len(letter.value) < LIMIT + DEAD_LETTER_ALLOWANCE
    assert letter.key == b"huge"
    assert original_headers(letter.headers) == list(HEADERS)
    await until_stored(shared_worker.settings, organization, 2)


async def test_a_row_that_the_store_refuses_becomes_a_dead_letter(
    shared_worker: WorkerProcess, organization: str
) -> None:
    settings = shared_worker.settings
    await shared_worker.until_ready()
    client = connect(settings.clickhouse)
    try:
        client.command(f"ALTER TABLE events ADD CONSTRAINT no_such_coach CHECK coachUserId != '{organization}'")
        bad = encoded(organization, coachUserId=organization)
        records = [Outgoing(encoded(organization)), Outgoing(bad, b"key", HEADERS), Outgoing(encoded(organization))]
        places = await send(settings, records)
        letter = (await dead_letters(settings, [places[1]]))[places[1]]
        assert text(letter, "reason") == RejectReason.REFUSED_BY_STORE
        assert (letter.key, letter.value) == (b"key", bad)
        assert original_headers(letter.headers) == list(HEADERS)
        rows = await until_stored(settings, organization, 2)
        assert [(row["source_partition"], row["source_offset"]) for row in rows] == places[::2]
    finally:
        client.command("ALTER TABLE events DROP CONSTRAINT no_such_coach")
        client.close()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_of_kafka_is_read(shared_worker: WorkerProcess, organization: str, codec: str) -> None:
    await shared_worker.until_ready()
    good = [Outgoing(encoded(organization, errorMessage="so that it is worth it " * 20)) for _ in range(50)]
    places = await send(shared_worker.settings, [*good, Outgoing(b"no event" * 50)], codec)
    await until_received(shared_worker, organization, 50)
    assert len(await until_stored(shared_worker.settings, organization, 50)) == 50
    letter = (await dead_letters(shared_worker.settings, [places[-1]]))[places[-1]]
    assert letter.value == b"no event" * 50
