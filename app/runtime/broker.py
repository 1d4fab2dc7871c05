"""Clients of the Kafka cluster, and the topics that the monitor needs in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, for_code

from app.runtime.errors import BrokerUnavailable, VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.kafka_errors import broker_error, quiet_client, require_rights
from app.runtime.kafka_rights import Needs, missing_rights
from app.runtime.settings import KafkaSettings
from app.runtime.topics import Topics

DEAD_LETTER_ALLOWANCE = 64 * 1024
"""A dead letter is its record plus headers; its topic and our producers take that much more than `voice-events`."""

CREATION_SECONDS = 10.0

COMPACTED = {
    "cleanup.policy": "compact",
    # Compact early: by default nothing is compacted before a segment of 1 GiB is full, and a restart reads it all.
    "segment.ms": "60000",
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": "120000",
}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as the monitor creates it where it is missing."""

    name: str
    partitions: int
    config: Mapping[str, str]


def application_id(settings: KafkaSettings) -> str:
    """Name of the consumer group, which also names the changelogs."""
    return f"{settings.topic_prefix}{settings.group}"


def changelog_name(settings: KafkaSettings, table: str) -> str:
    """Topic that keeps the state of a table."""
    return f"{application_id(settings)}-{table}-changelog"


def state_producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """Producer for changelogs and dead letters: each delivery can be awaited, order within a partition is kept."""
    return AIOKafkaProducer(
        **client_options(settings),
        client_id="voicemon-state",
        acks="all",
        enable_idempotence=True,
        # Not lz4: the client uses its slow kind, 30 ms for 250 KB of cells; zstd takes 0.6 ms and packs as well.
        compression_type="zstd",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=settings.max_message_bytes + DEAD_LETTER_ALLOWANCE,
        request_timeout_ms=30_000,
    )


@asynccontextmanager
async def connected_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A `state_producer`, connected while the block runs. Raises KafkaError if Kafka does not answer."""
    producer = state_producer(settings)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def connected(consumer: AIOKafkaConsumer) -> AsyncIterator[AIOKafkaConsumer]:
    """The consumer, connected while the block runs; one that cannot connect is closed, too."""
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def state_consumer(settings: KafkaSettings) -> AIOKafkaConsumer:
    """Consumer outside any group, for reading a changelog from its start."""
    return AIOKafkaConsumer(
        **client_options(settings),
        client_id="voicemon-restore",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
        fetch_max_bytes=64 * 1024 * 1024,
    )


async def prepare_topics(settings: KafkaSettings, tables: tuple[str, ...]) -> int:
    """Create the topics that are missing; the number of partitions of `voice-events`.

    Changelogs get as many partitions as `voice-events` has, also when it has got more. Raises BrokerUnavailable if
    Kafka does not answer, VoicemonError that names the rights which the user lacks.
    """
    topics = Topics(settings.topic_prefix)
    admin = AIOKafkaAdminClient(**client_options(settings), client_id="voicemon-admin", request_timeout_ms=10_000)
    try:
        with quiet_client():
            await admin.start()
        require_rights(await missing_rights(admin, worker_needs(settings, tables)), settings)
        await _create(admin, _published(topics, settings), settings.replication_factor)
        [partitions] = await _partitions(admin, [topics.events])
        changelogs = [TopicSpec(changelog_name(settings, table), partitions, COMPACTED) for table in tables]
        await _create(admin, changelogs, settings.replication_factor)
        await _grow(admin, [spec.name for spec in changelogs], partitions)
        return partitions
    except (KafkaError, OSError, IncompatibleBrokerVersion) as error:
        raise await broker_error(settings, error) from error
    finally:
        await admin.close()


def worker_needs(settings: KafkaSettings, tables: tuple[str, ...]) -> Needs:
    """The rights that a worker has to have on topics and group."""
    topics = Topics(settings.topic_prefix)
    changelogs = {changelog_name(settings, table) for table in tables}
    return Needs(
        reads=frozenset({topics.events, *changelogs}),
        writes=frozenset({topics.dead_letters, *changelogs}),
        group=application_id(settings),
    )


def _published(topics: Topics, settings: KafkaSettings) -> list[TopicSpec]:
    limit = settings.max_message_bytes
    dead_letters = {"max.message.bytes": str(limit + DEAD_LETTER_ALLOWANCE), "message.timestamp.type": "LogAppendTime"}
    events = {"max.message.bytes": str(limit), "message.timestamp.type": settings.timestamp_type}
    if settings.timestamp_type == "CreateTime":
        # Recorded timestamps may be as old or as new as they like.
        events |= {"message.timestamp.before.max.ms": str(2**63 - 1), "message.timestamp.after.max.ms": str(2**63 - 1)}
        events |= {"retention.ms": "-1"}
    return [
        TopicSpec(topics.events, settings.partitions, events),
        TopicSpec(topics.dead_letters, settings.partitions, dead_letters),
        TopicSpec(topics.organizations, 1, {"cleanup.policy": "compact"}),
        TopicSpec(topics.alerts, 1, {}),
    ]


async def _create(admin: AIOKafkaAdminClient, specs: list[TopicSpec], replicas: int) -> None:
    existing = set(await admin.list_topics())
    missing = [spec for spec in specs if spec.name not in existing]
    if not missing:
        return
    wanted = [NewTopic(spec.name, spec.partitions, replicas, topic_configs=dict(spec.config)) for spec in missing]
    response: Any = await admin.create_topics(wanted)
    for name, code, *detail in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            reason = detail[0] if detail and detail[0] else for_code(code).__name__
            raise VoicemonError(f"topic {name} cannot be created ({reason}): create it by hand or grant the right to")


async def _grow(admin: AIOKafkaAdminClient, topics: list[str], partitions: int) -> None:
    """Give changelogs the partitions that they lack; another worker may do the same at this moment."""
    present = await _partitions(admin, topics)
    short = {name: NewPartitions(partitions) for name, count in zip(topics, present, strict=True) if count < partitions}
    if not short:
        return
    await admin.create_partitions(short)
    deadline = time.monotonic() + CREATION_SECONDS
    while min(await _partitions(admin, topics)) < partitions:
        if time.monotonic() > deadline:
            raise VoicemonError(
                f"topics {', '.join(short)} cannot be given {partitions} partitions: "
                "add them by hand or grant the right to"
            )
        await asyncio.sleep(0.05)


async def _partitions(admin: AIOKafkaAdminClient, topics: list[str]) -> list[int]:
    """Numbers of partitions, once the brokers know the topics: a topic just created has none for a moment."""
    deadline = time.monotonic() + CREATION_SECONDS
    while True:
        counts = [len(found["partitions"]) for found in await admin.describe_topics(topics)]
        if all(counts):
            return counts
        if time.monotonic() > deadline:
            raise BrokerUnavailable(f"Kafka has created {', '.join(topics)} but no leaders for them: check its brokers")
        await asyncio.sleep(0.05)
