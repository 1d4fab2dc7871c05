"""A producer that can deliver no more is replaced."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    RequestTimedOutError,
)

from app.runtime.state_producer import StateProducer, is_passing


class Producer:
    """What is needed of aiokafka's producer; `answers` says whether a broker is there."""

    made: list["Producer"]
    answers = True

    def __init__(self) -> None:
        self.sent: list[bytes | None] = []
        self.is_stopped = False
        Producer.made.append(self)

    async def start(self) -> None:
        if not Producer.answers:
            raise KafkaConnectionError

    async def stop(self) -> None:
        self.is_stopped = True

    async def send(self, topic: str, value: bytes | None, key: bytes | None, **options: Any) -> "asyncio.Future[None]":
        self.sent.append(value)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@pytest.fixture
def producer() -> StateProducer:
    Producer.made, Producer.answers = [], True
    return StateProducer(Producer)  # type: ignore[arg-type]


async def test_one_producer_sends_until_it_is_given_up(producer: StateProducer) -> None:
    await producer.start()
    await producer.send("t", b"1", None)
    producer.give_up()
    await producer.send("t", b"2", None)
    await producer.send("t", b"3", None)
    await producer.stop()
    assert Producer.made[1].is_stopped
    assert [made.sent for made in Producer.made] == [[b"1"], [b"2", b"3"]]


async def test_sending_fails_while_no_broker_answers_and_works_again_afterwards(producer: StateProducer) -> None:
    await producer.start()
    producer.give_up()
    Producer.answers = False
    with pytest.raises(KafkaConnectionError):
        await producer.send("t", b"1", None)
    Producer.answers = True
    await producer.send("t", b"2", None)
    assert Producer.made[-1].sent == [b"2"]


@pytest.mark.parametrize("error", [KafkaTimeoutError(), OutOfOrderSequenceNumber(), RequestTimedOutError()])
def test_what_a_broker_s_absence_causes_passes(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize("error", [MessageSizeTooLargeError(), ValueError(), None])
def test_what_would_fail_again_does_not(error: Exception | None) -> None:
    assert not is_passing(error)
