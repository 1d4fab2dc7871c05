"""A seeded log of events, the same bytes for the same numbers, apart from their timestamps."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaProducer

from app.domain.event_types import EVENT_TYPES, STAGE_OF_TYPE
from app.domain.windows import MINUTE_MS
from app.runtime.kafka_access import client_options
from app.runtime.settings import KafkaSettings

BATCH_BYTES = 200_000
SEND_SECONDS = 60.0
SEED = 20_260_101
SPAN_MS = 30 * MINUTE_MS
SAY_EVERY = 250_000
REPEATED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Load:
    """A log to measure with: `repeated` of the `events` records carry an id that came before."""

    events: int
    organizations: int
    partitions: int

    @property
    def repeated(self) -> int:
        """Number of records that are copies of an earlier one."""
        return int(self.events * REPEATED_SHARE)


def values_of(load: Load, partition: int, now_ms: int) -> Iterator[bytes]:
    """Records of one partition, about 350 bytes each; the last `repeated` of them repeat its first ones."""
    rng = random.Random(SEED + partition)  # noqa: S311 - reproducible data
    types = sorted(EVENT_TYPES)
    mine, copies = (_share(total, load.partitions, partition) for total in (load.events, load.repeated))
    first: list[bytes] = []
    for number in range(mine - copies):
        event_type = types[rng.randrange(len(types))]
        timestamp = now_ms - SPAN_MS + number * SPAN_MS // mine
        value = orjson.dumps(_event(rng, event_type, timestamp, load.organizations))
        if len(first) < copies:
            first.append(value)
        yield value
    yield from first


def _share(total: int, parts: int, part: int) -> int:
    return total // parts + (part < total % parts)


def _event(rng: random.Random, event_type: str, timestamp: int, organizations: int) -> dict[str, object]:
    event: dict[str, object] = {
        "eventId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "eventType": event_type,
        "timestamp": timestamp,
        "artifactId": f"art_{rng.getrandbits(64):016x}",
        "organizationId": f"org_{rng.randrange(organizations):06d}",
        "coachUserId": f"user_{rng.getrandbits(40):010x}",
        "previousStatus": "processing",
        "newStatus": "completed",
        "metadata": {"sourceChannel": "whatsapp", "confidenceScore": rng.randrange(1000) / 1000, "claimCount": 3},
    }
    stage = STAGE_OF_TYPE[event_type]
    if stage is not None:
        event["pipelineStage"] = stage
    return event


async def fill_topic(kafka: KafkaSettings, topic: str, load: Load, say: Callable[[str], None]) -> int:
    """Write the log with lz4, as every partition's producer would; the mean size of a value in bytes."""
    # A topic just created may have no leader for a moment, and the client would print each attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    producer = AIOKafkaProducer(
        **client_options(kafka), compression_type="lz4", max_batch_size=BATCH_BYTES, linger_ms=5
    )
    await producer.start()
    written = size = 0
    now_ms = int(time.time() * 1000)
    try:
        for partition in range(load.partitions):
            batch = producer.create_batch()
            for value in values_of(load, partition, now_ms):
                if batch.append(key=None, value=value, timestamp=None) is None:
                    await _send(producer, topic, partition, batch)
                    batch = producer.create_batch()
                    batch.append(key=None, value=value, timestamp=None)
                written, size = written + 1, size + len(value)
                if written % SAY_EVERY == 0:
                    say(f"{written:,} of {load.events:,} events written")
            await _send(producer, topic, partition, batch)
        await asyncio.wait_for(producer.flush(), SEND_SECONDS)
    finally:
        await producer.stop()
    return size // max(written, 1)


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, batch: object) -> None:
    delivery = await producer.send_batch(batch, topic, partition=partition)
    await asyncio.wait_for(delivery, SEND_SECONDS)
