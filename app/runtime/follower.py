"""Follows a changelog outside any consumer group, all partitions of it, from its start and for ever."""

import asyncio
import time
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

POLL_MS = 200
WAIT_SECONDS = 0.02
REACH_SECONDS = 120.0


class ChangelogFollower:
    """Hands every record to `take(partition, key, value)`, in log order of each partition."""

    def __init__(
        self,
        consumer: Callable[[], AIOKafkaConsumer],
        topic: str,
        partitions: Iterable[int],
        take: Callable[[int, bytes, bytes | None], None],
    ) -> None:
        self._new_consumer = consumer
        self._tps = [TopicPartition(topic, partition) for partition in partitions]
        self._take = take
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._first_ends: dict[TopicPartition, int] | None = None

    @property
    def is_complete(self) -> bool:
        """True once all that was there at the start has been taken."""
        ends = self._first_ends
        return ends is not None and all(self._positions.get(tp, -1) >= end for tp, end in ends.items())

    async def run(self) -> None:
        """Follow until cancelled; a broker that goes away is waited for."""
        consumer = self._new_consumer()
        await consumer.start()
        try:
            consumer.assign(self._tps)
            await consumer.seek_to_beginning(*self._tps)
            self._consumer, self._first_ends = consumer, await consumer.end_offsets(self._tps)
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS)
                for tp, records in fetched.items():
                    for record in records:
                        self._take(tp.partition, record.key, record.value)
                for tp in self._tps:
                    self._positions[tp] = await consumer.position(tp)
        finally:
            await consumer.stop()

    async def reach(self, partitions: Iterable[int]) -> None:
        """Return once everything that is in these partitions now has been taken.

        Raises KafkaError if the brokers do not let it be read.
        """
        deadline = time.monotonic() + REACH_SECONDS
        while self._consumer is None:
            await self._pause(deadline)
        wanted = [tp for tp in self._tps if tp.partition in set(partitions)]
        ends = await self._consumer.end_offsets(wanted)
        while any(self._positions.get(tp, -1) < end for tp, end in ends.items()):
            await self._pause(deadline)

    async def _pause(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise KafkaError(f"the changelog {self._tps[0].topic} could not be read to its end in {REACH_SECONDS:g} s")
        await asyncio.sleep(WAIT_SECONDS)
