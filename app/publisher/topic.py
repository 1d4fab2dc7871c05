"""Whether the topic of the events is there and how it stamps records."""

import asyncio
import contextlib
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import security_options
from app.runtime.kafka_errors import refusal
from app.runtime.settings import KafkaSecurity

ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the broker describes it."""

    partitions: int
    timestamp_type: str


def require_topic(bootstrap: str, security: KafkaSecurity, topic: str, seconds: float = ANSWER_SECONDS) -> TopicFacts:
    """The topic's facts; VoicemonError says what to do if the broker or the topic is not there."""
    try:
        facts = asyncio.run(_describe(bootstrap, security, topic, seconds))
    except (KafkaError, OSError, TimeoutError) as error:
        told = asyncio.run(refusal(bootstrap, security))
        raise (
            VoicemonError(told)
            if told
            else VoicemonError(
                f"Kafka at {bootstrap} does not answer: start it with `voicemon stack up` "
                "or name another one with --bootstrap or VOICEMON_KAFKA_BOOTSTRAP."
            )
        ) from error
    if facts is None:
        raise VoicemonError(
            f"The topic {topic} does not exist at {bootstrap}: start a worker with `voicemon worker`, "
            "which creates it, or name the right prefix with --topic-prefix."
        )
    return facts


async def _describe(bootstrap: str, security: KafkaSecurity, topic: str, seconds: float) -> TopicFacts | None:
    options = {"bootstrap_servers": bootstrap, **security_options(security)}
    client = AIOKafkaAdminClient(**options, request_timeout_ms=int(seconds * 1000))
    try:
        async with asyncio.timeout(seconds):
            await client.start()
            if topic not in await client.list_topics():
                return None
            described = (await client.describe_topics([topic]))[0]
            answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        with contextlib.suppress(KafkaError, OSError):
            await client.close()
    values = {entry[0]: entry[1] for answer in answers for resource in answer.resources for entry in resource[4]}
    return TopicFacts(len(described["partitions"]), str(values.get("message.timestamp.type", "CreateTime")))
