"""Faust transport that hands an agent one message per fetched range of a partition, and commits only what is safe.

Stock Faust delivers one message per record and derives commits from gaps between acknowledged offsets; with ranges
that arithmetic commits work that was never done. Here a `Range` is the unit: it is fetched, counted and completed,
and a partition's committed offset is the end of its longest prefix of completed ranges.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from typing import Any, ClassVar

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from app.runtime.faults import FaultPoint
from app.runtime.loop_worker import LoopWorker, OnLoop
from app.runtime.membership import InstanceTaken, watch_membership
from app.runtime.ranges import Progress, Range, RangePolicy
from app.runtime.raw_records import read_raw
from app.runtime.topic_metadata import keep_informed

IDLE_SECONDS = 0.05
LOOK_SECONDS = 1.0


class RangeApp(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer follows `range_policy`."""

    range_policy: RangePolicy

    def _create_directories(self) -> None:
        """None: all state is in memory and in Kafka."""


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

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust ties this to exactly_once; publishers may use transactions
        return consumer

    _looked = 0.0

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


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Delivers ranges and commits the completed prefix of each partition."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ranges: dict[TP, deque[Range]] = {}
        self._uncounted: dict[TP, deque[Range]] = {}
        self._last_offset: dict[TP, int] = {}
        self._safe: dict[TP, tuple[int, int]] = {}
        self._epoch = 0
        self._held = False
        self._dropped = False
        self._counted = asyncio.Event()
        super().__init__(*args, **kwargs)
        self._policy: RangePolicy = self.app.range_policy

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, thread_loop=self.loop, Worker=LoopWorker, beacon=self.beacon)

    @property
    def epoch(self) -> int:
        """Number of seeks so far; a range of another epoch is void."""
        return self._epoch

    def hold(self) -> None:
        """Fetch nothing from range topics until `release`; the group membership stays."""
        self._held = True

    def release(self) -> None:
        """Fetch again."""
        self._held = False

    @property
    def is_held(self) -> bool:
        """True between `hold` and `release`."""
        return self._held

    def mark_counted(self, done: Range) -> None:
        """The range no longer limits fetching; a partition's ranges are counted in log order."""
        if done.epoch == self._epoch:
            self._uncounted[done.tp].popleft()
            self._counted.set()

    def mark_complete(self, done: Range) -> None:
        """Everything that the range causes is durable; its end may be committed once all before it are complete."""
        done.is_complete = True
        if done.epoch != self._epoch:
            return
        queue = self._ranges[done.tp]
        while queue and queue[0].is_complete:
            head = queue.popleft()
            self._safe[head.tp] = (head.last + 1, head.last_append_ms)

    def progress(self) -> dict[int, Progress]:
        """Progress of every assigned partition of the range topics that the broker has answered for."""
        assigned = self._thread.position_states() if self._thread is not None else {}
        found: dict[int, Progress] = {}
        for tp, (position, end, contact_ms) in assigned.items():
            if tp.topic in self._policy.topics:
                uncounted = self._uncounted.get(tp)
                read = uncounted[0].first if uncounted else position
                committed = self._committed_offset[tp] or 0
                found[tp.partition] = Progress(
                    max(end - read, 0), max(position - committed, 0), contact_ms, read >= end
                )
        return found

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        # Nothing may be queued while rebalancing: Faust clears the agents' queues when recovery ends.
        if active_partitions is not None and (self._held or self.app.rebalancing):
            active_partitions = {tp for tp in active_partitions if tp.topic not in self._policy.topics}
            if not active_partitions:
                await self._thread.keep_polling()
                await asyncio.sleep(IDLE_SECONDS)
                return {}
        return await super()._getmany(active_partitions=active_partitions, timeout=timeout)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Ranges of range topics, single records of others (the tables' changelogs)."""
        await self._read_dropped_again()
        epoch = self._epoch
        records, active = await self._wait_next_records(timeout)
        if not records or self.should_stop:
            return
        if not self._is_live(epoch):
            self._dropped = True
            return
        for tp, fetched in records.items():
            if not (active is None or tp in active or tp in self._buffered_partitions):
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            stream = self._range_messages(tp, fetched, epoch) if tp.topic in self._policy.topics else None
            if stream is None:
                for record in fetched:
                    yield tp, self._to_message(tp, record)
                continue
            async for message in stream:
                yield tp, message

    async def _read_dropped_again(self) -> None:
        if self._dropped and self.flow_active and not self.app.rebalancing:
            await self.perform_seek()

    def _is_live(self, epoch: int) -> bool:
        return self.flow_active and self._epoch == epoch

    async def _range_messages(self, tp: TP, fetched: list[Any], epoch: int) -> AsyncIterator[Any]:
        size = self._policy.records
        for start in range(0, len(fetched), size):
            await self._wait_for_room(epoch)
            if not self._is_live(epoch):
                self._dropped = True
                return
            yield self._range_message(Range(tp, fetched[start : start + size], self._last_offset.get(tp), epoch))

    def _range_message(self, new: Range) -> Any:
        self._last_offset[new.tp] = new.last
        self._ranges.setdefault(new.tp, deque()).append(new)
        self._uncounted.setdefault(new.tp, deque()).append(new)
        return ConsumerMessage(
            new.tp.topic, new.tp.partition, new.last, new.last_append_ms / 1000.0, 0, (), None, new, None, 0, 0, new.tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def _wait_for_room(self, epoch: int) -> None:
        while self._is_live(epoch) and sum(map(len, self._uncounted.values())) >= self._policy.in_flight:
            self._counted.clear()
            try:
                await asyncio.wait_for(self._counted.wait(), IDLE_SECONDS)
            except TimeoutError:
                await self._thread.keep_polling()  # counting may wait long, for the broker or for an operator

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Flush the tables, then commit the completed prefix of each partition; what fails is tried the next time."""
        safe = {tp: at for tp, at in self._safe.items() if self._should_commit(tp, at[0])}
        if not safe:
            return False
        if not await self._policy.before_commit([tp.partition for tp in safe]):
            return False
        offsets = {tp: offset for tp, (offset, _) in safe.items()}
        self._policy.faults.reach(FaultPoint.BEFORE_COMMIT)
        if not await self._commit(offsets):
            return False
        self._policy.faults.reach(FaultPoint.AFTER_COMMIT)
        self._committed_offset.update(offsets)
        self.app.monitor.on_tp_commit(offsets)
        self._policy.after_commit({tp.partition: append_ms for tp, (_, append_ms) in safe.items()})
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to keep: the completed prefix alone decides what is committed."""

    async def perform_seek(self) -> None:
        """Go back to the committed offsets and forget every range fetched before.

        A fetch that crosses the seek may have moved the position on, and nobody knows whether it did so before or
        after: its records are dropped, and the next fetch begins with another seek.
        """
        self._forget()
        self._dropped = False
        await super().perform_seek()
        self._forget()
        tps = {tp.partition: tp for tp in self.assignment() if tp.topic in self._policy.topics}
        for partition, start in (await self._policy.other_logs(tps.keys())).items():
            self._committed_offset[tps[partition]] = None
            await self.seek(tps[partition], start)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Log and commit what is counted while the partitions are still ours, then forget the rest."""
        self._epoch += 1  # the agent stops at its next slice
        owned = {tp.partition for tp in revoked if tp.topic in self._policy.topics}
        await self._policy.before_commit(owned)
        await self.commit()  # may only wait for a commit that has begun earlier
        await self.commit()
        await super().on_partitions_revoked(revoked)
        self._forget()

    def _forget(self) -> None:
        self._epoch += 1
        self._ranges.clear()
        self._uncounted.clear()
        self._last_offset.clear()
        self._safe.clear()
        self._counted.set()
        self._policy.forget()


class Transport(driver.Transport):  # type: ignore[misc]
    """Kafka through aiokafka, read in ranges; URL scheme `voicemon`."""

    Consumer: ClassVar[type[Consumer]] = Consumer
