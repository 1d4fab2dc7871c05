"""What of the Faust transport talks to the broker."""

import asyncio
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from app.runtime.loop_worker import OnLoop
from app.runtime.membership import InstanceTaken, watch_membership
from app.runtime.raw_records import read_raw
from app.runtime.topic_metadata import keep_informed

LOOK_SECONDS = 1.0


async def rewind(consumer: AIOKafkaConsumer, topics: Collection[str]) -> Mapping[TopicPartition, int | None]:
    """Committed offset of each assigned partition, which is read from there next.

    A partition of `topics` without a commit goes back to its first record: the client's own `seek_to_committed` leaves
    it behind what was fetched before and has been forgotten since.
    """
    committed: Mapping[TopicPartition, int | None] = await consumer.seek_to_committed()
    unread = [tp for tp, offset in committed.items() if not offset and tp.topic in topics]
    if unread:
        await consumer.seek_to_beginning(*unread)
    return committed


class ConsumerThread(OnLoop, driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """What talks to the broker: reads committed records only, and takes a failed commit as not done."""

    _looked = 0.0

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust ties this to exactly_once; publishers may use transactions
        return consumer

    async def on_start(self) -> None:
        """Connect and learn the topics; a static member stops the worker when another one takes its name."""
        await super().on_start()
        consumer, conf = self._ensure_consumer(), self.app.conf
        read_raw(consumer, self.app.range_policy.topics)
        self.add_future(keep_informed(consumer))
        if conf.consumer_group_instance_id:
            taken = partial(self._taken, conf.consumer_group_instance_id)
            watch_membership(consumer, conf.broker_session_timeout, self.thread_loop.time, taken)

    def _taken(self, instance_id: str) -> None:
        error = InstanceTaken(
            f"another worker has joined the group as {instance_id!r} and holds this worker's partitions now: "
            "give each worker a VOICEMON_KAFKA_INSTANCE_ID of its own"
        )
        asyncio.run_coroutine_threadsafe(self.app.crash(error), self.parent_loop)

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Go back to the commits."""
        return await rewind(self._ensure_consumer(), self.app.range_policy.topics)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        owned = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        if not owned:
            return False
        try:
            await consumer.commit({driver.ensure_aiokafka_TP(tp): offset for tp, offset in owned.items()})
        except KafkaError as error:
            # Nothing is lost: the same offsets are tried again, or their records are read again by the next owner.
            self.log.warning("Offsets not committed, trying again later: %r", error)
            return False
        return True

    def position_states(self) -> dict[TP, tuple[int, int, int]]:
        """Next offset to read, last stable offset and time of the last answer, for partitions that have all three."""
        return {
            TP(tp.topic, tp.partition): (state.position, state.lso, state.timestamp)
            for tp, state in self._states().items()
            if state.has_valid_position and state.lso is not None and state.timestamp
        }

    def _states(self) -> dict[TopicPartition, Any]:
        """What the client knows of each assigned partition."""
        subscription = self._consumer._subscription.subscription if self._consumer is not None else None
        assignment = subscription.assignment if subscription is not None else None
        found = {tp: assignment.state_value(tp) for tp in assignment.tps} if assignment is not None else {}
        return {tp: state for tp, state in found.items() if state is not None}

    async def keep_polling(self) -> None:
        """Count as a poll, so that a member that fetches nothing on purpose stays in the group."""
        if self._consumer is None:
            return
        with self._consumer._subscription.fetch_context():
            pass
        if self.thread_loop.time() - self._looked > LOOK_SECONDS:
            await self._look_at_ends(self._consumer)
            self._looked = self.thread_loop.time()

    async def _look_at_ends(self, consumer: AIOKafkaConsumer) -> None:
        """Ask for what every fetch tells by the way: where partitions end, and that the broker answers."""
        states = {tp: state for tp, state in self._states().items() if tp.topic in self.app.range_policy.topics}
        try:
            ends = await asyncio.wait_for(consumer.end_offsets(states), LOOK_SECONDS)
        except (KafkaError, TimeoutError):
            return
        for tp, end in ends.items():
            states[tp].lso, states[tp].timestamp = end, time.time_ns() // 1_000_000
