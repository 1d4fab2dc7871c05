"""Work that only one process of the whole deployment may do at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from app.runtime.broker import connected
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.settings import KafkaSettings

SESSION_SECONDS = 10
NEVER_MS = 24 * 3_600_000
_ERROR, _MEMBERS = 0, 5
"""Positions in Kafka's description of a group."""


class RunsElsewhere(VoicemonError):
    """Another process does the same at this moment."""


@asynccontextmanager
async def sole_run(settings: KafkaSettings, topic: str, group: str) -> AsyncIterator[None]:
    """Nobody else is in here with the same group while the block runs.

    Being inside is to be the only member of a consumer group, whose membership the brokers end some seconds after a
    process was killed; `topic` must exist, and nothing is read of it. Raises RunsElsewhere, also to both of two that
    come at the same moment, and KafkaError.
    """
    consumer = AIOKafkaConsumer(
        topic,
        **client_options(settings),
        client_id="voicemon-sole-run",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="latest",
        session_timeout_ms=SESSION_SECONDS * 1000,
        max_poll_interval_ms=NEVER_MS,
    )
    async with connected(consumer):
        if await _members(settings, group) > 1:
            raise RunsElsewhere(
                f"the same command runs elsewhere at this moment: wait until it has ended (up to {SESSION_SECONDS} s "
                "longer if it was killed), then try again"
            )
        yield


async def _members(settings: KafkaSettings, group: str) -> int:
    admin = AIOKafkaAdminClient(**client_options(settings), client_id="voicemon-admin")
    await admin.start()
    try:
        [answer] = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    [found] = answer.groups
    if found[_ERROR]:
        raise for_code(found[_ERROR])(group)
    return len(found[_MEMBERS])
