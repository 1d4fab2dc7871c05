"""Topics of events for tests, and everything that is in them."""

import asyncio
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from app.runtime.topics import Topics

PARTITIONS = 4
START_SECONDS = 90.0


async def create_event_topic(bootstrap: str, prefix: str, **configs: str) -> str:
    """The name of a new topic of events; waits for a broker that is still starting."""
    name = Topics(prefix).events
    topic = NewTopic(name, PARTITIONS, 1, topic_configs={"max.message.bytes": str(16 * 1024 * 1024), **configs})
    async with asyncio.timeout(START_SECONDS):
        while True:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            try:
                await admin.start()
                await admin.create_topics([topic])
                return name
            except (KafkaError, OSError):
                await asyncio.sleep(0.2)
            finally:
                await admin.close()


async def read_log(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """All records, partition after partition, each in log order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        async with asyncio.timeout(START_SECONDS):
            while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def events_of(records: list[ConsumerRecord]) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in records]
