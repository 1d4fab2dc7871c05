"""A producer whose deliveries can be awaited, and that is replaced once it can deliver no more.

An idempotent producer numbers its batches. When a batch has expired while the brokers were away, all later ones are
refused as out of order, for ever: only a new producer helps.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    UnknownProducerId,
)

PASSING = (InvalidProducerEpoch, KafkaTimeoutError, OutOfOrderSequenceNumber, ProducerClosed, UnknownProducerId)


def is_passing(error: BaseException | None) -> bool:
    """True for failures after which the same delivery may succeed, with a new producer if need be."""
    return isinstance(error, KafkaError) and (error.retriable or isinstance(error, PASSING))


class StateProducer:
    """Sends through the producer of the day."""

    def __init__(self, new_producer: Callable[[], AIOKafkaProducer]) -> None:
        self._new_producer = new_producer
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect. Raises KafkaError if no broker answers."""
        if self._producer is not None:
            return
        async with self._starting:
            if self._producer is None:
                producer = self._new_producer()
                try:
                    await producer.start()
                except KafkaError:
                    await producer.stop()
                    raise
                self._producer = producer

    async def current(self) -> AIOKafkaProducer:
        """The producer to send through. Raises KafkaError if no broker answers."""
        await self.start()
        if self._producer is None:
            raise KafkaConnectionError("the producer was given up meanwhile")
        return self._producer

    async def send(self, topic: str, value: bytes | None, key: bytes | None, **options: Any) -> "asyncio.Future[Any]":
        """A future that is done when the broker has confirmed the record. Raises KafkaError if no broker answers."""
        producer = await self.current()
        sent: asyncio.Future[Any] = await producer.send(topic, value, key, **options)
        return sent

    def give_up(self) -> None:
        """Send through a new producer from now on; what the old one has not delivered fails."""
        if self._producer is not None:
            ending = asyncio.create_task(self._producer.stop())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            self._producer = None

    async def stop(self) -> None:
        """Deliver what is pending and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
