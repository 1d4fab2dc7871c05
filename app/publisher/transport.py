"""What the sender asks of Kafka, and how aiokafka gives it."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import murmur2

from app.publisher.records import MAX_RECORD_BYTES, DropReason, Record
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import security_options
from app.runtime.settings import MIB, KafkaSecurity

REQUEST_TIMEOUT_MS = 30_000
RETRY_BACKOFF_MS = 250
OPEN_SECONDS = 30.0
TOPIC_SECONDS = 5.0
STOP_SECONDS = 1.0


class TransportFailed(Exception):
    """The connection is of no use any more; what it has not acknowledged must be sent by a new one."""


class RecordsRefused(TransportFailed):
    """The broker blames the records: sent again they would be refused again."""

    def __init__(self, message: str, reason: DropReason) -> None:
        super().__init__(message)
        self.reason = reason


class Transport(Protocol):
    """One life of a connection to the log."""

    async def open(self) -> None:
        """Connect; TransportFailed if the broker is not there."""
        ...

    async def partitions(self) -> int:
        """Number of the topic's partitions; TransportFailed while the topic is missing."""
        ...

    async def send(self, partition: int, records: Sequence[Record]) -> None:
        """Write the records in order and return when they are acknowledged.

        Raises RecordsRefused or TransportFailed; retries in between are the transport's own and add no copies.
        """
        ...

    async def close(self) -> None:
        """Let the connection go, within about two seconds."""
        ...


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition that Kafka's own keyed producers choose; records without a key share partition 0."""
    return 0 if key is None else _hash(key) % partitions


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


class KafkaTransport:
    """An idempotent producer of its own: a retry inside it adds no second copy to the log."""

    def __init__(self, bootstrap: str, topic: str, security: KafkaSecurity) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Connect and get a producer id."""
        try:
            proof = security_options(self._security)
        except VoicemonError as error:
            raise TransportFailed(str(error)) from error
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            **proof,
            client_id="voicemon-publisher",
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            max_request_size=MAX_RECORD_BYTES,
            # A batch builder refuses what goes beyond this; the sender decides where a batch ends.
            max_batch_size=2 * MIB,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise TransportFailed(f"no connection to Kafka at {self._bootstrap}: {error}") from error

    async def partitions(self) -> int:
        """Number of the topic's partitions; waits a few seconds for a missing topic."""
        try:
            async with asyncio.timeout(TOPIC_SECONDS):
                return len(await self._ready().partitions_for(self._topic))
        except (KafkaError, OSError, TimeoutError) as error:
            raise TransportFailed(f"topic {self._topic} is not there yet") from error

    async def send(self, partition: int, records: Sequence[Record]) -> None:
        """One batch, acknowledged by all in-sync replicas."""
        producer = self._ready()
        batch = producer.create_batch()
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=record.timestamp_ms) is None:
                raise RecordsRefused(f"{len(records)} records do not fit in one batch", DropReason.TOO_LARGE)
        batch.close()
        try:
            await (await producer.send_batch(batch, self._topic, partition=partition))
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise RecordsRefused(str(error), DropReason.TOO_LARGE) from error
        except InvalidTimestampError as error:
            raise RecordsRefused(str(error), DropReason.REFUSED_BY_BROKER) from error
        except (KafkaError, OSError, AssertionError) as error:
            raise TransportFailed(f"Kafka refused a batch for {self._topic}-{partition}: {error!r}") from error

    async def close(self) -> None:
        """Stop the producer; one that cannot deliver any more is cut off."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with contextlib.suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(STOP_SECONDS):
                await producer.stop()
        # stop() waits for batches that nobody awaits any more and offers no way to give them up.
        task = producer._sender.sender_task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)
        await producer.client.close()

    def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise TransportFailed("the connection is closed")
        return self._producer
