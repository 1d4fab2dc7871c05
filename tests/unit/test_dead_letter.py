import asyncio
import hashlib
from asyncio import Future
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from app.runtime.errors import DeadLetterUndelivered
from sinks.dead_letter import DeadLetter, DeadLetterWriter, Headers, original_headers

TOPIC = "voice-events-dead-letter"
Sent = tuple[str, bytes | None, bytes | None, Headers]


class FakeProducer:
    """Confirms what it is sent when told to; `refusal` is raised at once, `failure` on delivery."""

    def __init__(self, *, confirms: bool = True) -> None:
        self.sent: list[Sent] = []
        self.futures: list[Future[Any]] = []
        self.confirms = confirms
        self.refusal: Exception | None = None
        self.failure: Exception | None = None

    async def send(self, topic: str, value: bytes | None, key: bytes | None, *, headers: Headers) -> Future[Any]:
        if self.refusal:
            raise self.refusal
        self.sent.append((topic, value, key, headers))
        future: Future[Any] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        if self.failure:
            future.set_exception(self.failure)
        elif self.confirms:
            future.set_result(None)
        return future


def letter(
    value: bytes | None = b"{broken",
    key: bytes | None = b"art_1",
    headers: Sequence[tuple[str, bytes | None]] = (),
    detail: str = "not JSON",
) -> DeadLetter:
    return DeadLetter(key, value, headers, "bad_json", detail, "voice-events", 3, 42, 1_771_165_805_123)


OURS = [
    ("reason", b"bad_json"),
    ("detail", b"not JSON"),
    ("source-topic", b"voice-events"),
    ("source-partition", b"3"),
    ("source-offset", b"42"),
    ("source-append-time-ms", b"1771165805123"),
]


async def sent(one: DeadLetter, limit_bytes: int = 100_000) -> Sent:
    producer = FakeProducer()
    await DeadLetterWriter(producer, TOPIC, limit_bytes=limit_bytes).write([one])
    return producer.sent[0]


def size(record: Sent) -> int:
    _, value, key, headers = record
    return len(value or b"") + len(key or b"") + sum(len(name) + len(text or b"") for name, text in headers)


async def test_a_letter_carries_the_record_byte_for_byte_and_where_it_was() -> None:
    raw = bytes(range(256))
    record = await sent(letter(raw, raw, [("trace", raw), ("trace", None)]))
    assert record == (TOPIC, raw, raw, [("trace", raw), ("trace", None), *OURS])


async def test_a_tombstone_and_a_missing_key_stay_missing() -> None:
    assert await sent(letter(None, None)) == (TOPIC, None, None, OURS)


async def test_original_headers_of_our_names_get_a_prefix_and_come_back() -> None:
    theirs: Headers = [("reason", b"mine"), ("original-size", b"1"), ("original-note", b"2"), ("Reason", None)]
    headers = (await sent(letter(headers=theirs)))[3]
    assert headers == [
        ("original-reason", b"mine"),
        ("original-original-size", b"1"),
        ("original-note", b"2"),
        ("Reason", None),
        *OURS,
    ]
    assert original_headers(headers) == theirs


async def test_a_value_that_does_not_fit_is_cut_and_says_so() -> None:
    value = b"x" * 20_000
    record = await sent(letter(value, headers=[("trace", b"1")]), limit_bytes=10_000)
    headers = dict(record[3])
    assert record[1] is not None
    assert value.startswith(record[1])
    assert 9_000 < size(record) <= 10_000
    assert headers["truncated"] == b"value"
    assert headers["size"] == b"20000"
    assert headers["sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["trace"] == b"1"


async def test_a_value_that_just_fits_is_whole() -> None:
    for length in range(9_000, 10_000, 7):
        record = await sent(letter(b"x" * length), limit_bytes=10_000)
        is_cut = "truncated" in dict(record[3])
        assert is_cut == (record[1] != b"x" * length)
        assert size(record) <= 10_000


@pytest.mark.parametrize(
    ("one", "cut"),
    [
        (letter(b"v" * 10, b"k", [("h", b"h" * 20_000)]), b"value,headers"),
        (letter(b"v" * 10, b"k" * 20_000, [("h", b"h" * 20_000)]), b"value,headers,key"),
        (letter(None, b"k" * 20_000), b"value,headers,key"),
    ],
)
async def test_no_record_is_too_large_for_a_letter(one: DeadLetter, cut: bytes) -> None:
    record = await sent(one, limit_bytes=10_000)
    assert size(record) <= 10_000
    assert dict(record[3])["truncated"] == cut
    assert dict(record[3])["reason"] == b"bad_json"


async def test_a_long_detail_is_shortened_and_any_text_is_sent() -> None:
    headers = dict((await sent(letter(detail="é\ud800" + "x" * 5_000)))[3])
    assert headers["detail"] is not None
    assert headers["detail"].startswith("é?xxx".encode())
    assert len(headers["detail"]) < 2_100


async def test_every_delivery_is_awaited() -> None:
    producer = FakeProducer(confirms=False)
    writing = asyncio.create_task(DeadLetterWriter(producer, TOPIC).write([letter(), letter()]))
    async with asyncio.timeout(5):
        while len(producer.futures) < 2:  # noqa: ASYNC110 - any step of the loop may make it true
            await asyncio.sleep(0)
    producer.futures[1].set_result(None)
    await asyncio.sleep(0)
    assert not writing.done()
    producer.futures[0].set_result(None)
    await asyncio.wait_for(writing, 5)


@pytest.mark.parametrize("place", ["refusal", "failure"])
@pytest.mark.parametrize("error", [MessageSizeTooLargeError("too large"), KafkaTimeoutError()])
async def test_a_letter_that_cannot_be_delivered_is_an_error(place: str, error: Exception) -> None:
    producer = FakeProducer()
    setattr(producer, place, error)
    with pytest.raises(DeadLetterUndelivered, match=TOPIC):
        await DeadLetterWriter(producer, TOPIC).write([letter()])


async def test_no_letters_are_no_work() -> None:
    producer = FakeProducer()
    await DeadLetterWriter(producer, TOPIC).write([])
    assert producer.sent == []
