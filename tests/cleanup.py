"""What tests leave behind in services that outlive them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import clickhouse_connect
from aiokafka.admin import AIOKafkaAdminClient

from app.runtime.settings import ClickHouseSettings


def drop_topics(bootstrap: str, prefix: str) -> None:
    # A thread of its own: the test's event loop may still be set here.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _drop_topics(bootstrap, prefix)).result()


async def _drop_topics(bootstrap: str, prefix: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        names = [name for name in await client.list_topics() if name.startswith(prefix)]
        if names:
            await client.delete_topics(names)
    finally:
        await client.close()


def drop_databases(settings: ClickHouseSettings, prefix: str) -> None:
    client = clickhouse_connect.get_client(
        dsn=settings.url, username=settings.user, password=settings.password.get_secret_value()
    )
    try:
        found = client.query(
            "SELECT name FROM system.databases WHERE startsWith(name, {prefix:String})", parameters={"prefix": prefix}
        )
        for (name,) in found.result_rows:
            client.command(f"DROP DATABASE `{name}`")
    finally:
        client.close()
