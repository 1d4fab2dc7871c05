"""A consumer asks for the partitions of its topics until it knows them.

A group's leader that subscribes while the broker is away gives out no partition of a topic that it knows nothing of,
and the client asks again only minutes later: nobody would read the topic until then.
"""

import asyncio

from aiokafka import AIOKafkaConsumer

LOOK_SECONDS = 0.5


def unknown_topics(consumer: AIOKafkaConsumer) -> set[str]:
    """Subscribed topics without any known partition."""
    topics: frozenset[str] = consumer.subscription()
    return {topic for topic in topics if not consumer.partitions_for_topic(topic)}


async def keep_informed(consumer: AIOKafkaConsumer) -> None:
    """Ask for metadata again and again while a subscribed topic is unknown; the group then shares its partitions out.

    Runs until it is cancelled. A broker that does not answer is asked again.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if unknown_topics(consumer):
            await consumer._client.force_metadata_update()
