"""Dead letters on a real broker."""

import asyncio
import hashlib

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.runtime.errors import DeadLetterUndelivered
from sinks.dead_letter import DeadLetter, DeadLetterWriter, original_headers

pytestmark = pytest.mark.kafka

LIMIT_BYTES = 64 * 1024
DEADLINE_SECONDS = 30


async def make_topic(bootstrap: str, name: str, max_bytes: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs={"max.message.bytes": str(max_bytes)})])
    finally:
        await admin.close()


async def test_letters_arrive_in_order_and_unchanged_and_the_largest_fits(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    topic = f"{unique_prefix}voice-events-dead-letter"
    await make_topic(kafka_bootstrap, topic, LIMIT_BYTES)
    raw = bytes(range(256))
    headers = [("reason", b"theirs"), ("trace", raw), ("none", None)]
    # Sizes around the limit: the broker must take every one of them.
    values = [raw, None, b""] + [b"x" * length for length in range(LIMIT_BYTES - 1_500, LIMIT_BYTES + 50, 50)]
    letters = [
        DeadLetter(raw, value, headers, "bad_json", "not JSON", "voice-events", 3, offset, 1_771_165_805_123)
        for offset, value in enumerate(values)
    ]
    async with asyncio.timeout(DEADLINE_SECONDS):
        async with AIOKafkaProducer(
            bootstrap_servers=kafka_bootstrap, acks="all", enable_idempotence=True, max_request_size=2 * LIMIT_BYTES
        ) as producer:
            await DeadLetterWriter(producer, topic, limit_bytes=LIMIT_BYTES).write(letters)
        async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
            records = [await consumer.getone() for _ in letters]
    assert [dict(record.headers)["source-offset"] for record in records] == [b"%d" % n for n in range(len(letters))]
    for record, letter in zip(records, letters, strict=True):
        assert record.key == raw
        assert original_headers(record.headers) == headers
        if "truncated" not in dict(record.headers):
            assert record.value == letter.value
        else:
            assert letter.value is not None
            assert letter.value.startswith(record.value)
            assert dict(record.headers)["sha256"] == hashlib.sha256(letter.value).hexdigest().encode()
    assert "truncated" in dict(records[-1].headers)
    assert "truncated" not in dict(records[3].headers)


async def test_a_letter_that_the_broker_refuses_is_an_error(kafka_bootstrap: str, unique_prefix: str) -> None:
    topic = f"{unique_prefix}small"
    await make_topic(kafka_bootstrap, topic, 1_000)
    letter = DeadLetter(None, b"x" * 5_000, [], "bad_json", "not JSON", "voice-events", 0, 0, 0)
    async with asyncio.timeout(DEADLINE_SECONDS), AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        with pytest.raises(DeadLetterUndelivered, match=r"max\.message\.bytes"):
            await DeadLetterWriter(producer, topic).write([letter])
