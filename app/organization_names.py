"""Keeps the names of organisations in ClickHouse as the topic `voice-organizations` has them."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from app.runtime.broker import connected, state_consumer
from app.runtime.errors import SinkUnavailable
from app.runtime.log_position import topic_partitions
from app.runtime.organization_records import BadName, read_name
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from sinks.clickhouse.client import DURABLE_INSERT, StoreError, clear_errors, connect

log = structlog.get_logger(__name__)

POLL_MS = 1_000
BATCH = 5_000
RETRY_SECONDS = 5.0


class NameRow(NamedTuple):
    """A row of `organization_names`; of an id the one with the greatest offset holds."""

    organization_id: str
    name: str
    source_offset: int
    is_deleted: int


COLUMNS = ("organizationId", "name", "source_offset", "is_deleted")


async def keep_names(settings: Settings, telemetry: Telemetry) -> None:
    """Follow the topic from its start, for ever, in any number of workers: the same rows written again change nothing.

    While Kafka or ClickHouse does not answer it is tried again, and the names stay as they are.
    """
    told = ""
    while True:
        try:
            await _follow(settings, telemetry)
        except (KafkaError, OSError) as error:
            reason = str(error) or type(error).__name__
            if reason != told:
                log.warning("Names of organisations cannot be read, trying again", reason=reason)
            told = reason
        await asyncio.sleep(RETRY_SECONDS)


def rows_of(records: Iterable[ConsumerRecord], telemetry: Telemetry) -> list[NameRow]:
    """Rows of the records; one that names no organisation is counted, logged and left out."""
    rows = []
    for record in records:
        try:
            organization_id, name = read_name(record.key, record.value)
        except BadName as error:
            telemetry.name_rejected(record.partition, record.offset, str(error))
        else:
            rows.append(NameRow(organization_id, name or "", record.offset, int(name is None)))
    return rows


async def _follow(settings: Settings, telemetry: Telemetry) -> None:
    """Follow until the brokers fail; ends at once while there is no such topic."""
    async with connected(state_consumer(settings.kafka)) as consumer:
        partitions = await topic_partitions(consumer, Topics(settings.kafka.topic_prefix).organizations)
        if not partitions:
            return
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)
            if rows := rows_of((record for records in fetched.values() for record in records), telemetry):
                await _store(settings.clickhouse, rows)
                telemetry.names_stored(len(rows))


async def _store(settings: ClickHouseSettings, rows: list[NameRow]) -> None:
    """Return once the rows are stored."""
    while True:
        try:
            await asyncio.to_thread(_insert, settings, rows)
            return
        except (SinkUnavailable, StoreError) as error:
            log.warning("Names of organisations cannot be stored, trying again", reason=str(error), rows=len(rows))
        await asyncio.sleep(RETRY_SECONDS)


def _insert(settings: ClickHouseSettings, rows: list[NameRow]) -> None:
    client = connect(settings)
    try:
        with clear_errors(settings):
            client.insert("organization_names", rows, column_names=COLUMNS, settings=DURABLE_INSERT)
    finally:
        client.close()
