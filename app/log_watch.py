"""Examines whether the log is still the one that was counted, and has as many partitions as it had."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from app.runtime.broker import connected, state_consumer
from app.runtime.errors import VoicemonError
from app.runtime.log_identity import LastCounted, examine
from app.runtime.log_position import topic_partitions
from app.runtime.settings import KafkaSettings
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from tables.counters import CountersTable
from tables.seen_events import SeenEventsTable

LOOK_SECONDS = 5.0


class PartitionsAdded(VoicemonError):
    """The topic has got partitions that this worker was not built for: it must be built anew."""


async def until_partitions_are_added(settings: KafkaSettings, known: int) -> None:
    """Return once `voice-events` has more than `known` partitions; without an answer from Kafka, ask again later."""
    topic = Topics(settings.topic_prefix).events
    while True:
        with suppress(KafkaError, OSError):  # readiness tells of a Kafka that is away
            async with connected(state_consumer(settings)) as consumer:
                while True:
                    await consumer._client.force_metadata_update()
                    if len(await topic_partitions(consumer, topic)) > known:
                        return
                    await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(LOOK_SECONDS)


@dataclass(slots=True)
class LogWatch:
    """Compares each newly owned partition with the last record counted of it, once."""

    settings: KafkaSettings
    counters: CountersTable
    seen: SeenEventsTable
    telemetry: Telemetry
    partitions: int

    async def other_logs(self, partitions: Collection[int]) -> dict[int, int]:
        """Start offsets of partitions whose log is another one; their state has been emptied.

        Raises KafkaError if Kafka does not answer, PartitionsAdded for one that was not there before.
        """
        if any(partition >= self.partitions for partition in partitions):
            raise PartitionsAdded(f"voice-events has more than {self.partitions} partitions now")
        found: dict[int, int] = {}
        topic = Topics(self.settings.topic_prefix).events
        for partition in sorted(set(partitions) & self.counters.newly_owned):
            state = self.counters.partition(partition)
            last = LastCounted(state.applied, state.append_ms, state.digest)
            finding = await examine(lambda: state_consumer(self.settings), TopicPartition(topic, partition), last)
            if finding.lost:
                self.telemetry.records_lost(partition, finding.lost, finding.start)
            if finding.is_other:
                self.telemetry.log_changed(partition, finding.start)
                state.start_anew()
                self.seen.partition(partition).start_anew()
                found[partition] = finding.start
            self.counters.newly_owned.discard(partition)
        return found
