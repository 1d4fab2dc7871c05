"""Reads topics with a consumer of its own, committed records only, one partition at a time."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app.runtime.errors import BrokerUnavailable, VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.kafka_errors import broker_error
from app.runtime.log_position import topic_partitions
from app.runtime.settings import KafkaSettings

POLL_MS = 1000
RECORD_MS = 10_000
STUCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of a partition that are read: from `start` up to `end`, that one excluded; `begin` is its oldest."""

    tp: TopicPartition
    begin: int
    start: int
    end: int


class LogReader:
    """A consumer outside of every group."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def spans(self, topic: str, from_ms: int | None = None) -> list[Span]:
        """All partitions of a topic from the first record appended at `from_ms` or later to the present end.

        Raises VoicemonError if there is no such topic.
        """
        tps = await topic_partitions(self._consumer, topic)
        if not tps:
            raise VoicemonError(
                f"the topic {topic} does not exist: start a worker with 'voicemon worker', it creates it"
            )
        begins = await self._consumer.beginning_offsets(tps)
        ends = await self._consumer.end_offsets(tps)
        starts = dict(begins)
        if from_ms is not None:
            found = await self._consumer.offsets_for_times(dict.fromkeys(tps, max(from_ms, 0)))
            starts = {tp: at.offset if (at := found[tp]) is not None else ends[tp] for tp in tps}
        return [Span(tp, begins[tp], starts[tp], ends[tp]) for tp in tps]

    async def record(self, topic: str, partition: int, offset: int) -> ConsumerRecord:
        """The record at an offset. Raises BrokerUnavailable if it does not come, as when it has been deleted."""
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, offset)
        for record in (await self._consumer.getmany(tp, timeout_ms=RECORD_MS, max_records=1)).get(tp, []):
            if record.offset == offset:
                return record
        raise BrokerUnavailable(f"the record at offset {offset} of {topic} {partition} does not come: is it deleted?")

    async def batches(self, span: Span) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Records of a span in log order; an open transaction ends it early.

        Raises BrokerUnavailable if nothing comes for a minute.
        """
        consumer, tp = self._consumer, span.tp
        if span.start >= span.end:
            return
        consumer.assign([tp])
        consumer.seek(tp, span.start)
        deadline = time.monotonic() + STUCK_SECONDS
        while (position := await consumer.position(tp)) < span.end:
            records = (await consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, [])
            if records:
                deadline = time.monotonic() + STUCK_SECONDS
                yield [record for record in records if record.offset < span.end]
            elif position >= (consumer.last_stable_offset(tp) or span.end):
                return
            elif time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"no records of {tp.topic} came for a minute: check the brokers, then try again"
                )


@asynccontextmanager
async def log_reader(settings: KafkaSettings) -> AsyncIterator[LogReader]:
    """A reader that is connected while the block runs. Raises BrokerUnavailable if Kafka does not answer."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        client_id="voicemon-audit",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await consumer.start()
        yield LogReader(consumer)
    except (KafkaError, ConnectionError) as error:
        raise await broker_error(settings, error) from error
    finally:
        await consumer.stop()
