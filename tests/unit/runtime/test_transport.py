"""What the consumer of ranges commits, without a broker."""

import asyncio
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from app.runtime.faults import Faults
from app.runtime.ranges import Range, RangePolicy
from app.runtime.settings import FaultSettings
from app.runtime.transport import Consumer, RangeApp

TOPIC = "voice-events"
ONE, TWO = TP(TOPIC, 0), TP(TOPIC, 1)


class Trace:
    """What happened, in order."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.flush_fails = False
        self.commit_works = True

    async def before_commit(self, partitions: Collection[int]) -> bool:
        self.steps.append(("flush", sorted(partitions)))
        return not self.flush_fails

    def after_commit(self, append_ms: Mapping[int, int]) -> None:
        self.steps.append(("done", dict(append_ms)))

    def forget(self) -> None:
        self.steps.append("forget")

    async def other_logs(self, partitions: Collection[int]) -> Mapping[int, int]:
        return {}


async def nothing(*_: object) -> None:
    """What Faust would be told."""


class OfflineConsumer(Consumer):
    """A consumer whose commits go to a trace."""

    trace: Trace

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.trace.steps.append(("commit", {tp.partition: offset for tp, offset in offsets.items()}))
        return self.trace.commit_works

    async def crash(self, reason: BaseException) -> None:
        self.trace.steps.append(("crash", type(reason).__name__))

    async def commit(self, *args: Any, **kwargs: Any) -> bool:
        return await self.force_commit()


@pytest.fixture
async def consumer() -> OfflineConsumer:
    app = RangeApp("test", env={}, broker="kafka://127.0.0.1:1", autodiscover=False, web_enabled=False)
    trace = Trace()
    app.range_policy = RangePolicy(
        topics=frozenset({TOPIC}),
        records=3,
        in_flight=2,
        before_commit=trace.before_commit,
        after_commit=trace.after_commit,
        forget=trace.forget,
        other_logs=trace.other_logs,
        faults=Faults(FaultSettings()),
    )
    made = OfflineConsumer(app.transport, nothing, nothing, nothing)
    made.trace = trace
    return made


def fetched(consumer: Consumer, tp: TP, first: int, last: int) -> Range:
    """A range that the consumer has handed on."""
    records = [SimpleNamespace(offset=offset, timestamp=1_000 + offset) for offset in range(first, last + 1)]
    message = consumer._range_message(Range(tp, records, consumer._last_offset.get(tp), consumer.epoch))
    found: Range = message.value
    return found


async def commits(consumer: OfflineConsumer) -> list[dict[int, int]]:
    consumer.trace.steps.clear()
    await consumer.force_commit()
    return [step[1] for step in consumer.trace.steps if step[0] == "commit"]


async def test_only_the_longest_completed_prefix_is_committed(consumer: OfflineConsumer) -> None:
    first, second, third = (fetched(consumer, ONE, start, start + 9) for start in (0, 10, 20))
    consumer.mark_complete(second)
    assert await commits(consumer) == []
    consumer.mark_complete(first)
    assert await commits(consumer) == [{0: 20}]
    consumer.mark_complete(third)
    assert await commits(consumer) == [{0: 30}]


async def test_partitions_are_committed_independently(consumer: OfflineConsumer) -> None:
    fetched(consumer, ONE, 0, 4)
    consumer.mark_complete(fetched(consumer, TWO, 7, 9))
    assert await commits(consumer) == [{1: 10}]


async def test_state_is_flushed_before_and_trimmed_after_a_commit(consumer: OfflineConsumer) -> None:
    consumer.mark_complete(fetched(consumer, ONE, 0, 4))
    await commits(consumer)
    assert consumer.trace.steps == [("flush", [0]), ("commit", {0: 5}), ("done", {0: 1_004})]


async def test_nothing_is_committed_whose_state_was_not_flushed(consumer: OfflineConsumer) -> None:
    consumer.mark_complete(fetched(consumer, ONE, 0, 4))
    consumer.trace.flush_fails = True
    await consumer.force_commit()
    assert consumer.trace.steps == [("flush", [0])]


async def test_a_commit_that_fails_is_tried_again(consumer: OfflineConsumer) -> None:
    consumer.mark_complete(fetched(consumer, ONE, 0, 4))
    consumer.trace.commit_works = False
    assert await commits(consumer) == [{0: 5}]
    assert ("done", {0: 1_004}) not in consumer.trace.steps
    consumer.trace.commit_works = True
    assert await commits(consumer) == [{0: 5}]


async def test_what_is_committed_is_not_committed_again(consumer: OfflineConsumer) -> None:
    consumer.mark_complete(fetched(consumer, ONE, 0, 4))
    assert await commits(consumer) == [{0: 5}]
    assert await commits(consumer) == []


async def test_a_range_of_an_earlier_epoch_commits_nothing(consumer: OfflineConsumer) -> None:
    old = fetched(consumer, ONE, 0, 4)
    consumer._forget()
    assert consumer.epoch == old.epoch + 1
    new = fetched(consumer, ONE, 0, 9)
    consumer.mark_complete(old)
    assert await commits(consumer) == []
    consumer.mark_complete(new)
    assert await commits(consumer) == [{0: 10}]


async def test_completed_but_uncommitted_ranges_are_forgotten_with_a_seek(consumer: OfflineConsumer) -> None:
    consumer.mark_complete(fetched(consumer, ONE, 0, 4))
    consumer._forget()
    assert await commits(consumer) == []


async def test_each_range_names_the_one_before_it_since_the_last_seek(consumer: OfflineConsumer) -> None:
    assert [fetched(consumer, ONE, first, first + 1).previous for first in (3, 5, 9)] == [None, 4, 6]
    assert fetched(consumer, TWO, 0, 1).previous is None
    consumer._forget()
    assert fetched(consumer, ONE, 3, 4).previous is None


async def test_counted_ranges_make_room_although_they_are_not_stored(consumer: OfflineConsumer) -> None:
    first, second = fetched(consumer, ONE, 0, 1), fetched(consumer, TWO, 0, 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(consumer._wait_for_room(consumer.epoch), 0.1)
    consumer.mark_counted(first)
    consumer.mark_counted(second)
    await asyncio.wait_for(consumer._wait_for_room(consumer.epoch), 1)
    assert await commits(consumer) == []


async def test_a_held_consumer_stays_held_over_a_seek(consumer: OfflineConsumer) -> None:
    consumer.hold()
    consumer._forget()
    assert consumer.is_held
    consumer.release()
    assert not consumer.is_held


async def test_gaps_between_offsets_commit_nothing(consumer: OfflineConsumer) -> None:
    fetched(consumer, ONE, 100, 104)
    await consumer._add_gap(ONE, 0, 100)
    assert await commits(consumer) == []


async def test_partitions_are_committed_before_they_are_given_up(
    consumer: OfflineConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def revoked(self: Any, partitions: set[TP]) -> None:
        consumer.trace.steps.append("revoked")

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", revoked)
    consumer.mark_complete(fetched(consumer, ONE, 0, 4))
    await consumer.on_partitions_revoked({ONE})
    steps = consumer.trace.steps
    assert steps.index(("commit", {0: 5})) < steps.index("revoked") < steps.index("forget")


async def test_a_fetch_that_crosses_a_seek_is_dropped_and_sought_again(
    consumer: OfflineConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records may come from behind the seek: dropping them alone would leave a hole."""
    steps = consumer.trace.steps
    is_crossing = True

    async def seek(self: Any) -> None:
        steps.append("seek")

    async def fetch(timeout: float) -> tuple[Any, None]:
        steps.append("fetch")
        if is_crossing:
            await consumer.perform_seek()
        return {ONE: [SimpleNamespace(offset=7, timestamp=1_007)]}, None

    monkeypatch.setattr(driver.Consumer, "perform_seek", seek)
    monkeypatch.setattr(consumer, "_wait_next_records", fetch)
    monkeypatch.setattr(consumer, "assignment", set)
    monkeypatch.setattr(consumer, "highwater", lambda tp: 8)
    consumer.flow_active = True
    consumer.app.rebalancing = True
    assert [tp async for tp, _ in consumer.getmany(1.0)] == []
    assert [step for step in steps if step != "forget"] == ["fetch", "seek"]
    is_crossing, consumer.app.rebalancing = False, False
    steps.clear()
    assert [message.value.first async for _, message in consumer.getmany(1.0)] == [7]
    assert [step for step in steps if step != "forget"] == ["seek", "fetch"]
    steps.clear()
    assert [message.value.first async for _, message in consumer.getmany(1.0)] == [7]
    assert "seek" not in steps
