"""Examines at every start of a partition whether its log is still the one that was counted."""

from collections.abc import Collection
from dataclasses import dataclass

from aiokafka import TopicPartition

from app.runtime.broker import state_consumer
from app.runtime.log_identity import LastCounted, examine
from app.runtime.settings import KafkaSettings
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from tables.counters import CountersTable
from tables.seen_events import SeenEventsTable


@dataclass(slots=True)
class LogWatch:
    """Compares each newly owned partition with the last record counted of it, once."""

    settings: KafkaSettings
    counters: CountersTable
    seen: SeenEventsTable
    telemetry: Telemetry

    async def other_logs(self, partitions: Collection[int]) -> dict[int, int]:
        """Start offsets of partitions whose log is another one; their state has been emptied.

        Raises KafkaError if Kafka does not answer.
        """
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
