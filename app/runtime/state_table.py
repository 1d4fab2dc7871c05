"""Faust tables whose state is written to and read from the changelog in bulk.

Stock tables send one changelog record per write without knowing whether it arrived, and read them back one by one.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from app.runtime.faults import FaultPoint, Faults
from app.runtime.state_producer import StateProducer

log = structlog.get_logger(__name__)

RecordPair = tuple[bytes, bytes | None]
READ_SECONDS = 60.0


class StateTable(faust.Table):  # type: ignore[misc]
    """A table with one independent state per source partition.

    Subclasses keep the state; this class moves it: `flush` delivers what changed, `on_recovery_completed` restores
    newly assigned partitions before any of their records is read.
    """

    def __init__(
        self,
        app: Any,
        *,
        producer: StateProducer,
        consumer: Callable[[], AIOKafkaConsumer],
        faults: Faults,
        **options: Any,
    ) -> None:
        super().__init__(app, **options)
        self._faults = faults
        self._state_producer = producer
        self._state_consumer = consumer
        self._ends: dict[TP, int] = {}
        self._delivered: dict[int, int] = {}
        self._loaded: set[int] = set()
        self._generation = -1
        self._locks: dict[int, asyncio.Lock] = {}

    @abstractmethod
    def take_changes(self, partition: int) -> Sequence[RecordPair]:
        """Changelog records for all that changed since the last call, in the order in which they must be logged."""

    @abstractmethod
    async def restore(self, partitions: set[int]) -> None:
        """Bring the state of newly assigned partitions into memory, complete up to the end of the changelog."""

    @abstractmethod
    def purge(self, partition: int) -> None:
        """Forget a partition's state and unflushed changes."""

    @abstractmethod
    def log_all(self, partition: int) -> None:
        """Deliver the whole state of a partition at the next flush."""

    @property
    def loaded_partitions(self) -> frozenset[int]:
        """Partitions whose state is complete in memory."""
        return frozenset(self._loaded)

    async def flush(self, partition: int) -> int:
        """Deliver the changes of a partition to the changelog; their number.

        Raises KafkaError if a delivery fails: nothing that depends on it may be committed then, and the next flush
        delivers the whole state.
        """
        async with self._locks.setdefault(partition, asyncio.Lock()):
            changes = self.take_changes(partition)
            if not changes:
                return 0
            self._faults.reach(FaultPoint.BEFORE_CHANGELOG)
            try:
                half = len(changes) // 2 if self._faults.is_set(FaultPoint.IN_CHANGELOG) else 0
                await self._deliver(partition, changes[:half])
                self._faults.reach(FaultPoint.IN_CHANGELOG)
                await self._deliver(partition, changes[half:])
            except KafkaError:
                self._state_producer.give_up()
                self.log_all(partition)
                raise
            self._faults.reach(FaultPoint.AFTER_CHANGELOG)
            return len(changes)

    async def _deliver(self, partition: int, changes: Sequence[RecordPair]) -> None:
        """Deliver changes in their order, in whole batches: a send for each record costs ten times as much."""
        if not changes:
            return
        producer, topic = await self._state_producer.current(), self.changelog_topic_name
        deliveries, counts = [], []
        batch = producer.create_batch()
        for key, value in changes:
            if batch.append(key=key, value=value, timestamp=None) is None:
                counts.append(batch.record_count())
                deliveries.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        counts.append(batch.record_count())
        deliveries.append(await producer.send_batch(batch, topic, partition=partition))
        ends = [sent.offset + count for sent, count in zip(await asyncio.gather(*deliveries), counts, strict=True)]
        self._delivered[partition] = max(ends)

    def changelog_end(self, partition: int) -> int | None:
        """Offset behind the last changelog record of a partition that this worker owns, as far as it knows."""
        if partition not in self._loaded:
            return None
        known = self._ends.get(TP(self.changelog_topic_name, partition))
        return max(self._delivered.get(partition, 0), 0 if known is None else known + 1)

    def persisted_offset(self, tp: TP) -> int | None:
        """The changelog's end: Faust's own recovery has nothing left to read."""
        return self._ends.get(tp)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop the state of partitions that are gone, or that someone else may have owned in between."""
        mine = {tp for tp in assigned if tp.topic == self.changelog_topic_name}
        keep = {tp.partition for tp in mine - newly_assigned} if generation_id == self._generation + 1 else set()
        self._generation = generation_id
        for partition in self._loaded - keep:
            self.purge(partition)
        self._loaded &= keep
        ends = await self.app.consumer.highwaters(*mine) if mine else {}
        self._ends = {tp: (ends.get(tp) or 0) - 1 for tp in mine}

    def apply_changelog_batch(self, batch: Any) -> None:
        """Ignore what Faust reads between `on_rebalance` and recovery: the restore reads it as well."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Restore the newly assigned partitions; the worker stops if that fails."""
        wanted = {tp.partition for tp in active_tps if tp.topic == self.changelog_topic_name} - self._loaded
        if not wanted:
            return
        generation = self.app.consumer_generation_id
        try:
            await self.restore(wanted)
        except Exception as error:  # noqa: BLE001  (Faust drops exceptions of this hook; the app must stop instead)
            await self.app.crash(error)
            return
        if self.app.consumer_generation_id == generation:
            self._loaded |= wanted
            log.info("State restored", table=self.name, partitions=sorted(wanted))

    async def read_changelog(self, partitions: set[int]) -> AsyncIterator[tuple[int, bytes, bytes | None]]:
        """Every record of partitions of the changelog up to its present end: partition, key, value."""
        consumer = self._state_consumer()
        await consumer.start()
        try:
            tps = [TopicPartition(self.changelog_topic_name, partition) for partition in sorted(partitions)]
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            ends = await consumer.end_offsets(tps)
            while pending := [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
                fetched = await asyncio.wait_for(consumer.getmany(*pending, timeout_ms=1000), READ_SECONDS)
                for tp, records in fetched.items():
                    for record in records:
                        yield tp.partition, record.key, record.value
        finally:
            await consumer.stop()
