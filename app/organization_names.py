"""Keeps the names of organisations in ClickHouse as the topic `voice-organizations` has them."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app.duty import IsOnDuty, until_on_duty
from app.runtime.broker import connected, state_consumer
from app.runtime.errors import SinkUnavailable
from app.runtime.log_position import topic_partitions
from app.runtime.organization_records import BadName, read_name
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from sinks.clickhouse.client import DURABLE_INSERT, StoreError, clear_errors, connect

log = structlog.get_logger(__name__)

POLL_MS: Final = 1_000
BATCH: Final = 1_000
RETRY_SECONDS: Final = 5.0
# The topic may have been deleted and created anew: it is read from its start again and again, the less often the longer
# that takes.
FOLLOW_SECONDS: Final = 20.0
FOLLOW_TIMES: Final = 20
READ_SECONDS: Final = 10.0
"""Within it there must be something more to read."""
# What readers see of a name, '' for none, and the greatest version of its rows, those of deleted names among them.
_STORED: Final = """
SELECT organizationId, max(source_offset), any(shown.name)
FROM organization_names
LEFT JOIN (SELECT organizationId, name FROM organization_names FINAL) AS shown USING organizationId
GROUP BY organizationId"""


class NameRow(NamedTuple):
    """A row of `organization_names`; of an id the one with the greatest version holds.

    Versions count what has been stored of the id. Offsets, which they once were, begin again with a new topic, and the
    times of records are those of the publishers' clocks.
    """

    organization_id: str
    name: str
    version: int
    is_deleted: int


class StoredName(NamedTuple):
    """What readers see of an organisation, '' for no name, and the greatest version of its rows."""

    version: int = -1
    name: str = ""


COLUMNS: Final = ("organizationId", "name", "source_offset", "is_deleted")


class NameReader:
    """Reads records; one that names no organisation is counted and logged once, and left out."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._told: set[tuple[int, int]] = set()

    def names_of(self, records: Iterable[ConsumerRecord]) -> dict[str, str | None]:
        """The last name of each id, None for one that is deleted."""
        names = {}
        for record in records:
            try:
                organization_id, name = read_name(record.key, record.value)
            except BadName as error:
                place = (record.partition, record.offset)
                if place not in self._told:
                    self._telemetry.name_rejected(*place, str(error))
                    self._told.add(place)
            else:
                names[organization_id] = name
        return names


async def keep_names(settings: Settings, telemetry: Telemetry, is_on_duty: IsOnDuty) -> None:
    """Follow the topic while on duty, for ever; several workers at once end with the same names.

    While Kafka or ClickHouse does not answer it is tried again, and the names stay as they are.
    """
    reader, told = NameReader(telemetry), ""
    while True:
        await until_on_duty(is_on_duty)
        try:
            if await _follow(settings, reader, telemetry):
                told = ""
                continue
        except (KafkaError, OSError, SinkUnavailable, StoreError) as error:
            reason = str(error) or type(error).__name__
            if reason != told:
                log.warning("Names of organisations cannot be brought up to date, trying again", reason=reason)
            told = reason
        await asyncio.sleep(RETRY_SECONDS)


def rows_of(names: Mapping[str, str | None], stored: Mapping[str, StoredName]) -> list[NameRow]:
    """Rows for the names that readers do not see as they are."""
    rows = []
    for organization_id, name in names.items():
        before = stored.get(organization_id, StoredName())
        if (name or "") != before.name:
            rows.append(NameRow(organization_id, name or "", before.version + 1, int(name is None)))
    return rows


async def _follow(settings: Settings, reader: NameReader, telemetry: Telemetry) -> bool:
    """Read the topic from its start and follow it for a while; False if there is none.

    Nothing is stored before all of it has been read: until then a name may be an old one. Raises TimeoutError if it
    cannot be read: a client waits for long for a topic that has just been deleted.
    """
    async with connected(state_consumer(settings.kafka)) as consumer:
        began = time.monotonic()
        async with asyncio.timeout(READ_SECONDS):
            ends = await _ends_to_read(consumer, Topics(settings.kafka.topic_prefix).organizations)
        if not ends:
            return False
        names = await _names_until(consumer, ends, reader)
        took = time.monotonic() - began
        until = time.monotonic() + max(FOLLOW_SECONDS, FOLLOW_TIMES * took)
        while True:
            if names:
                telemetry.names_stored(await asyncio.to_thread(_store, settings.clickhouse, names))
            if time.monotonic() >= until:
                return True
            names = reader.names_of(await _fetched(consumer))


async def _ends_to_read(consumer: AIOKafkaConsumer, topic: str) -> Mapping[TopicPartition, int]:
    """End of each partition, all of them to be read from their start; none if there is no such topic."""
    partitions = await topic_partitions(consumer, topic)
    if not partitions:
        return {}
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return ends


async def _names_until(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], reader: NameReader
) -> dict[str, str | None]:
    names: dict[str, str | None] = {}
    while True:
        async with asyncio.timeout(READ_SECONDS):
            records: list[ConsumerRecord] = []
            while not records:
                if all([await consumer.position(tp) >= end for tp, end in ends.items()]):
                    return names
                records = await _fetched(consumer)
        names |= reader.names_of(records)


async def _fetched(consumer: AIOKafkaConsumer) -> list[ConsumerRecord]:
    fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)
    return [record for records in fetched.values() for record in records]


def _store(settings: ClickHouseSettings, names: Mapping[str, str | None]) -> int:
    """How many of the names were not stored as they are, and are now. Raises SinkUnavailable or StoreError."""
    client = connect(settings)
    try:
        with clear_errors(settings):
            found = client.query(_STORED).result_rows
            rows = rows_of(names, {organization_id: StoredName(*row) for organization_id, *row in found})
            if rows:
                client.insert("organization_names", rows, column_names=COLUMNS, settings=DURABLE_INSERT)
            return len(rows)
    finally:
        client.close()
