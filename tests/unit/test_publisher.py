import logging
import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import orjson
import pytest

from app.publisher import AsyncPublisher, BufferLimits, Publisher
from app.publisher.records import MAX_RECORD_BYTES, record_key
from app.publisher.transport import partition_of
from tests.fake_log import FakeLog, wait_until

NOW = 1_771_165_805_123


class FixedClock:
    def now_ms(self) -> int:
        return NOW


class HostileMapping(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


def publisher_to(log: FakeLog, limits: BufferLimits | None = None) -> Publisher:
    return Publisher("unused:1", limits=limits, clock=FixedClock(), new_transport=log.transport)


def circular() -> dict[str, object]:
    event: dict[str, object] = {}
    event["self"] = event
    return event


def test_an_event_is_delivered_with_the_fields_that_it_had() -> None:
    log = FakeLog()
    event = {"eventId": "e-1", "eventType": "artifact_received", "timestamp": 5, "metadata": {"claimCount": 2}}
    with publisher_to(log) as publisher:
        assert publisher.publish(event)
    assert log.events() == [event]


def test_missing_id_and_timestamp_are_minted_at_the_call_and_the_callers_mapping_stays_as_it_is() -> None:
    log = FakeLog()
    log.hangs.set()
    event = {"eventType": "artifact_received", "eventId": None}
    with publisher_to(log) as publisher:
        publisher.publish(event)
        publisher.publish(MappingProxyType({"eventType": "artifact_completed"}))
        log.hangs.clear()
    assert event == {"eventType": "artifact_received", "eventId": None}
    assert [sent["timestamp"] for sent in log.events()] == [NOW, NOW]
    assert len({uuid.UUID(sent["eventId"]) for sent in log.events()}) == 2


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "not_a_mapping"),
        ([], "not_a_mapping"),
        ("text", "not_a_mapping"),
        ({"a": object()}, "not_serializable"),
        ({"a": "\ud800"}, "not_serializable"),
        ({"a": 2**70}, "not_serializable"),
        ({1: "key"}, "not_serializable"),
        (HostileMapping(), "not_serializable"),
        (circular(), "not_serializable"),
        ({"a": "x" * (MAX_RECORD_BYTES + 1)}, "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else type(value).__name__,
)
def test_what_cannot_be_published_is_counted_by_reason_and_raises_nothing(event: object, reason: str) -> None:
    log = FakeLog()
    with publisher_to(log) as publisher:
        assert publisher.publish(event) is False  # type: ignore[arg-type]
        assert publisher.publish({"eventType": "artifact_received"}) is True
    assert publisher.stats.dropped == {reason: 1}
    assert publisher.stats.published == 2
    assert len(log.events()) == 1


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"artifactId": "art", "organizationId": "org"}, b"art"),
        ({"artifactId": None, "organizationId": "org"}, b"org"),
        ({"artifactId": "", "organizationId": "org"}, b"org"),
        ({"artifactId": 7, "organizationId": "org"}, b"org"),
        ({"artifactId": "ä"}, "ä".encode()),
        ({}, b"pipeline"),
    ],
)
def test_the_key_is_the_artifact_else_the_organisation_else_a_constant(event: dict[str, object], key: bytes) -> None:
    assert record_key(event) == key


def test_keys_are_placed_as_kafkas_own_producers_place_them() -> None:
    # Made with kafka-console-producer's default partitioner: murmur2 of the key, sign bit cleared, modulo.
    assert [partition_of(key, 1000) for key in (b"21", b"foobar", b"a-little-bit-long-string")] == [
        (-973932308 & 0x7FFFFFFF) % 1000,
        (-790332482 & 0x7FFFFFFF) % 1000,
        (-985981536 & 0x7FFFFFFF) % 1000,
    ]
    assert partition_of(None, 4) == 0


@pytest.mark.parametrize("limits", [BufferLimits(events=3), BufferLimits(bytes=1000)])
def test_a_full_buffer_drops_the_new_event_and_keeps_the_old_ones(limits: BufferLimits) -> None:
    log = FakeLog()
    log.hangs.set()
    with publisher_to(log, limits) as publisher:
        taken = [publisher.publish({"n": number, "eventId": "x" * 20, "artifactId": "a"}) for number in range(10)]
        kept = sum(taken)
        assert taken == [True] * kept + [False] * (10 - kept)
        assert 0 < kept < 10
        assert publisher.stats.buffered == kept
        log.hangs.clear()
    assert [event["n"] for event in log.events()] == list(range(kept))
    assert publisher.stats.dropped == {"buffer_full": 10 - kept}
    assert publisher.stats.delivered == kept


def test_room_in_the_buffer_comes_back_when_events_are_delivered() -> None:
    log = FakeLog()
    with publisher_to(log, BufferLimits(events=2)) as publisher:
        for number in range(10):
            wait_until(lambda: publisher.stats.buffered == 0)
            assert publisher.publish({"n": number})
    assert publisher.stats.delivered == 10


def test_a_broker_that_comes_later_gets_everything_in_order_with_the_ids_of_the_calls() -> None:
    log = FakeLog(absent=4)
    with publisher_to(log) as publisher:
        for number in range(500):
            publisher.publish({"n": number, "artifactId": f"art_{number % 7}"})
        wait_until(lambda: publisher.stats.delivered == 500)
    assert log.attempts == 5
    for artifact in range(7):
        numbers = [event["n"] for event in log.events() if event["artifactId"] == f"art_{artifact}"]
        assert numbers == list(range(artifact, 500, 7))


def test_events_of_a_lost_connection_are_sent_again_in_order_and_byte_for_byte() -> None:
    log = FakeLog(failing=2, loses_acknowledgements=1, partitions=1)
    with publisher_to(log) as publisher:
        for number in range(50):
            publisher.publish({"n": number})
    numbers = [event["n"] for event in log.events()]
    assert sorted(set(numbers)) == list(range(50))
    assert numbers == [*numbers[: len(numbers) - 50], *range(50)]
    assert len({record.value for record in log.all_records()}) == 50
    assert publisher.stats.delivered == 50


def test_a_record_that_the_broker_refuses_does_not_hold_up_the_others() -> None:
    log = FakeLog(refused_keys=frozenset({b"poison"}), partitions=1)
    with publisher_to(log) as publisher:
        for name in ("a", "poison", "b", "c"):
            publisher.publish({"artifactId": name})
    assert [event["artifactId"] for event in log.events()] == ["a", "b", "c"]
    assert publisher.stats.dropped == {"too_large": 1}


def test_close_ends_in_time_and_names_what_was_not_delivered() -> None:
    log = FakeLog()
    log.hangs.set()
    publisher = publisher_to(log)
    publisher.publish({"eventId": "first"})
    publisher.publish({"eventId": "second"})
    began = time.monotonic()
    report = publisher.close(timeout=0.2)
    assert time.monotonic() - began < 2
    assert (report.undelivered, report.undelivered_ids) == (2, ("first", "second"))
    assert report.stats.dropped == {"not_delivered": 2}
    assert publisher.close() is report


def test_a_closed_publisher_counts_what_comes_too_late() -> None:
    publisher = publisher_to(FakeLog())
    assert publisher.close(1).undelivered == 0
    assert publisher.publish({}) is False
    assert publisher.stats.dropped == {"closed": 1}


def test_every_published_event_is_delivered_buffered_or_dropped_whatever_thread_it_comes_from() -> None:
    log = FakeLog(failing=1)
    with publisher_to(log, BufferLimits(events=700)) as publisher:
        threads = [
            threading.Thread(target=lambda: [publisher.publish({"artifactId": "a"}) for _ in range(300)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = publisher.stats
        assert stats.published == 1200 == stats.delivered + stats.buffered + stats.dropped_total
    assert publisher.stats.buffered == 0


def test_a_thousand_drops_are_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), publisher_to(FakeLog()) as publisher:
        for _ in range(1000):
            publisher.publish(None)  # type: ignore[arg-type]
    assert len(caplog.records) == 1
    assert publisher.stats.dropped == {"not_a_mapping": 1000}


def deliver_in_child(publisher: Publisher, log: FakeLog) -> None:
    before = publisher.stats
    log.hangs.clear()
    publisher.publish({"eventId": "child"})
    report = publisher.close(5)
    is_right = (before.published, report.stats.delivered) == (0, 1)
    os._exit(0 if is_right and [event["eventId"] for event in log.events()] == ["child"] else 1)


def test_a_forked_child_publishes_on_its_own_and_leaves_the_parents_events_to_the_parent() -> None:
    log = FakeLog()
    log.hangs.set()
    with publisher_to(log) as publisher:
        publisher.publish({"eventId": "parent"})
        child = multiprocessing.get_context("fork").Process(target=deliver_in_child, args=(publisher, log))
        child.start()
        child.join(10)
        assert child.exitcode == 0
        log.hangs.clear()
    assert [event["eventId"] for event in log.events()] == ["parent"]


async def test_the_asyncio_form_delivers_in_the_callers_loop() -> None:
    log = FakeLog(absent=1, failing=1)
    async with AsyncPublisher("unused:1", clock=FixedClock(), new_transport=log.transport) as publisher:
        for number in range(100):
            assert publisher.publish({"n": number, "artifactId": "a"})
        assert publisher.publish(None) is False  # type: ignore[arg-type]
    assert [event["n"] for event in log.events()] == list(range(100))
    assert publisher.stats.delivered == 100
    assert publisher.stats.dropped == {"not_a_mapping": 1}


async def test_closing_the_asyncio_form_ends_in_time() -> None:
    log = FakeLog()
    log.hangs.set()
    publisher = AsyncPublisher("unused:1", new_transport=log.transport)
    publisher.publish({"eventId": "kept"})
    report = await publisher.close(timeout=0.2)
    assert report.undelivered_ids == ("kept",)


def test_events_published_before_the_loop_runs_are_delivered_when_it_does() -> None:
    import asyncio

    log = FakeLog()
    publisher = AsyncPublisher("unused:1", new_transport=log.transport)
    assert publisher.publish({"n": 1}) is True

    async def later() -> None:
        publisher.publish({"n": 2})
        await publisher.close()

    asyncio.run(later())
    assert sorted(orjson.loads(record.value or b"")["n"] for record in log.all_records()) == [1, 2]
