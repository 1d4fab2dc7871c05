"""Records of the topic `voice-organizations`: key = id, value {"name": …}; a tombstone deletes the name."""

import asyncio
from collections.abc import Mapping

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.runtime.broker import state_producer
from app.runtime.errors import BrokerUnavailable, VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.settings import KafkaSettings
from app.runtime.topics import Topics

LONGEST_NAME = 200
PUBLISH_SECONDS = 10.0


class BadName(VoicemonError):
    """A record that names no organisation."""


class _Value(msgspec.Struct):
    name: str


def read_name(key: bytes | None, value: bytes | None) -> tuple[str, str | None]:
    """Id and name in a record, None for a name that is deleted. Raises BadName."""
    try:
        organization_id = (key or b"").decode()
    except UnicodeDecodeError:
        raise BadName("the key is not UTF-8") from None
    if not organization_id:
        raise BadName("the key is missing")
    if value is None:
        return organization_id, None
    try:
        name = msgspec.json.decode(value, type=_Value).name.strip()
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadName('the value is not {"name": "…"}') from None
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadName(f"the name is not 1 to {LONGEST_NAME} characters long")
    return organization_id, name


async def publish_names(settings: KafkaSettings, names: Mapping[str, str | None]) -> bool:
    """Write the name of each id, None deletes it; False if there is no such topic, because no worker has created it.

    Raises BrokerUnavailable if the brokers do not take the records in time.
    """
    topic = Topics(settings.topic_prefix).organizations
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            if not await _exists(settings, topic):
                return False
            await _send(settings, topic, names)
            return True
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailable.at(settings.bootstrap, error) from error


async def _exists(settings: KafkaSettings, topic: str) -> bool:
    """Asked without naming it: a broker may create a topic that somebody asks for."""
    admin = AIOKafkaAdminClient(**client_options(settings), client_id="voicemon-names")
    try:
        await admin.start()
        return topic in await admin.list_topics()
    finally:
        await admin.close()


def _record_of(name: str | None) -> bytes | None:
    return None if name is None else msgspec.json.encode(_Value(name))


async def _send(settings: KafkaSettings, topic: str, names: Mapping[str, str | None]) -> None:
    producer = state_producer(settings)
    try:
        await producer.start()
        sent = [
            await producer.send(topic, _record_of(name), organization_id.encode())
            for organization_id, name in names.items()
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
