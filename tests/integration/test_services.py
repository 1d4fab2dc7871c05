"""The services that the fixtures give are real, whichever source they come from."""

import asyncio
import uuid

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.runtime.settings import ClickHouseSettings


@pytest.mark.kafka
async def test_a_record_can_be_written_and_read_back(kafka_bootstrap: str, unique_prefix: str) -> None:
    topic = f"{unique_prefix}events"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    value = uuid.uuid4().bytes
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(topic, value)
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        record = await asyncio.wait_for(consumer.getone(), 30)
    assert record.value == value


@pytest.mark.clickhouse
def test_a_table_can_be_made_filled_and_read(clickhouse: ClickHouseSettings, unique_prefix: str) -> None:
    password = clickhouse.password.get_secret_value()
    client = clickhouse_connect.get_client(dsn=clickhouse.url, username=clickhouse.user, password=password)
    database = f"{unique_prefix}db"
    client.command(f"CREATE DATABASE {database}")
    client.command(f"CREATE TABLE {database}.numbers (n UInt8) ENGINE = MergeTree ORDER BY n")
    client.insert("numbers", [[7]], database=database)
    assert client.query(f"SELECT n FROM {database}.numbers").result_rows == [(7,)]
    client.command(f"DROP DATABASE {database}")
    client.close()
