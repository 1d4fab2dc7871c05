"""Faust transport that hands an agent one message per fetched range of a partition, and commits only what is safe.

Stock Faust delivers one message per record and derives commits from gaps between acknowledged offsets; with ranges
that arithmetic commits work that was never done. Here a `Range` is the unit: it is fetched, counted and completed,
and a partition's committed offset is the end of its longest prefix of completed ranges.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from app.runtime.consumer_thread import ConsumerThread
from app.runtime.faults import FaultPoint
from app.runtime.loop_worker import LoopWorker
from app.runtime.ranges import Progress, Range, RangePolicy

IDLE_SECONDS = 0.05


class RangeApp(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer follows `range_policy`."""

    range_policy: RangePolicy

    def _create_directories(self) -> None:
        """None: all state is in memory and in Kafka."""


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
