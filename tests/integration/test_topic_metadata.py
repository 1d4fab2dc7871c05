"""A group whose leader subscribes while the broker does not answer."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from app.runtime.topic_metadata import keep_informed, unknown_topics
from tests.integration.test_rewinding import make_topic
from tests.workers import eventually

pytestmark = [pytest.mark.kafka]

PARTITIONS = 3


async def test_partitions_are_shared_out_once_the_broker_tells_of_them(
    kafka_bootstrap: str, unique_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{unique_prefix}late"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka_bootstrap, group_id=f"{unique_prefix}group", enable_auto_commit=False
    )
    await consumer.start()
    client, informing = consumer._client, asyncio.create_task(keep_informed(consumer))
    update, is_away = client._metadata_update, True

    async def answered(*arguments: Any) -> bool:
        return False if is_away else await update(*arguments)

    monkeypatch.setattr(client, "_metadata_update", answered)
    try:
        await make_topic(kafka_bootstrap, topic, PARTITIONS)
        consumer.subscribe([topic])
        await eventually(lambda: consumer._coordinator.generation > 0, "the group is formed without the topic")
        assert unknown_topics(consumer) == {topic}
        is_away = False
        await eventually(lambda: len(consumer.assignment()) == PARTITIONS, "the partitions are shared out")
        assert not unknown_topics(consumer)
    finally:
        informing.cancel()
        await consumer.stop()
