"""Going back to the commits, whatever the client has fetched meanwhile."""

import time
from collections.abc import Mapping

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.runtime.consumer_thread import rewind
from tests.workers import DEADLINE_SECONDS, produce

pytestmark = [pytest.mark.kafka]

RECORDS = 5
COMMITTED = {0: 2}


async def make_topic(bootstrap: str, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


async def read_all(consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> Mapping[int, list[int]]:
    """Offsets by partition, once each has been read to its end."""
    found: dict[int, list[int]] = {tp.partition: [] for tp in tps}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(not offsets or offsets[-1] < RECORDS - 1 for offsets in found.values()):
        assert time.monotonic() < deadline, f"not all was read: {found}"
        for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
            found[tp.partition] += [record.offset for record in records]
    return found


async def test_a_partition_without_a_commit_is_read_again_from_its_first_record(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    topic = f"{unique_prefix}rewound"
    await make_topic(kafka_bootstrap, topic, 2)
    for key in (b"0", b"1", b"2", b"3"):
        await produce(kafka_bootstrap, topic, [(key, b"value", None)] * RECORDS)
    tps = [TopicPartition(topic, number) for number in (0, 1)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka_bootstrap,
        group_id=f"{unique_prefix}group",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        await consumer.commit({TopicPartition(topic, number): offset for number, offset in COMMITTED.items()})
        await consumer.seek_to_beginning(*tps)
        first = await read_all(consumer, tps)
        assert all(offsets[0] == 0 for offsets in first.values())
        committed = await rewind(consumer, frozenset({topic}))
        again = await read_all(consumer, tps)
    finally:
        await consumer.stop()
    assert {tp.partition: offset for tp, offset in committed.items()} == {0: 2, 1: None}
    assert {number: offsets[0] for number, offsets in again.items()} == {0: 2, 1: 0}
