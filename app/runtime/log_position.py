"""How much of the log the consumer group has made durable, whichever worker did it."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from app.runtime.broker import application_id, connected, state_consumer
from app.runtime.clock import Clock
from app.runtime.kafka_access import client_options
from app.runtime.kafka_errors import broker_error
from app.runtime.settings import KafkaSettings
from app.runtime.topics import Topics

READ_MS = 10_000


async def committed_offsets(settings: KafkaSettings) -> dict[int, int]:
    """Committed offset of every partition of `voice-events` that has one.

    Raises KafkaError if Kafka does not answer.
    """
    # A group consumer that never joins. The admin client takes a coordinator that is still loading, as after a restart
    # of the broker, for a group without commits.
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        client_id="voicemon-commits",
        group_id=application_id(settings),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        tps = await topic_partitions(consumer, Topics(settings.topic_prefix).events)
        if not tps:
            return {}
        consumer.assign(tps)
        found = {tp.partition: await consumer.committed(tp) for tp in tps}
    finally:
        await consumer.stop()
    return {partition: offset for partition, offset in found.items() if offset is not None}


async def group_lag(settings: KafkaSettings) -> dict[int, tuple[int, int]]:
    """Committed and end offset of every partition of `voice-events`.

    A partition without a commit counts from its first record. Raises BrokerUnavailable if Kafka does not answer.
    """
    try:
        committed = await committed_offsets(settings)
        async with connected(state_consumer(settings)) as consumer:
            partitions = await topic_partitions(consumer, Topics(settings.topic_prefix).events)
            ends = await consumer.end_offsets(partitions)
            starts = await consumer.beginning_offsets(partitions)
        return {tp.partition: (committed.get(tp.partition, starts[tp]), ends[tp]) for tp in partitions}
    except (KafkaError, OSError) as error:
        raise await broker_error(settings, error) from error


async def stored_until_ms(settings: KafkaSettings, clock: Clock) -> int:
    """Every record appended before this time has been committed, so its row is stored.

    Of a partition without a commit nothing is: the time is then that of its first record. Raises KafkaError if Kafka
    does not answer, or does not hand the record out in time.
    """
    asked_ms = clock.now_ms()
    async with connected(state_consumer(settings)) as consumer:
        partitions = await topic_partitions(consumer, Topics(settings.topic_prefix).events)
        ends = await consumer.end_offsets(partitions)
        committed = await committed_offsets(settings)
        behind = {tp: committed.get(tp.partition, 0) for tp in partitions if committed.get(tp.partition, 0) < ends[tp]}
        return min([asked_ms, *await append_times(consumer, behind, ends)])


async def read_records(settings: KafkaSettings, partition: int, offsets: Sequence[int]) -> dict[int, Any]:
    """Records of `voice-events` at some offsets of a partition, read again.

    Raises KafkaError if Kafka does not answer, KeyError if a record is no longer in the log.
    """
    tp = TopicPartition(Topics(settings.topic_prefix).events, partition)
    async with connected(state_consumer(settings)) as consumer:
        consumer.assign([tp])
        found: dict[int, Any] = {}
        for offset in offsets:
            consumer.seek(tp, offset)
            fetched = await consumer.getmany(tp, timeout_ms=READ_MS, max_records=1)
            found |= {record.offset: record for record in fetched.get(tp, [])}
    return {offset: found[offset] for offset in offsets}


async def append_times(
    consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> list[int]:
    """Append time of the first record at or after each offset; none where only markers follow up to the end.

    Raises KafkaTimeoutError if a record does not come in time.
    """
    times = []
    for tp, offset in offsets.items():
        consumer.assign([tp])
        consumer.seek(tp, offset)
        fetched = await consumer.getmany(tp, timeout_ms=READ_MS, max_records=1)
        times += [records[0].timestamp for records in fetched.values()]
        if not fetched and await consumer.position(tp) < ends[tp]:
            raise KafkaTimeoutError(f"no record of {tp} came within {READ_MS} ms")
    return times


async def topic_partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Partitions of a topic in order, asked for anew if the client knows none; empty if there is no such topic."""
    numbers = consumer.partitions_for_topic(topic)
    if numbers is None:
        await consumer._client.force_metadata_update()
        numbers = consumer.partitions_for_topic(topic) or set()
    return [TopicPartition(topic, number) for number in sorted(numbers)]
