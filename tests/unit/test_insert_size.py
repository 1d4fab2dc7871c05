"""Inserts become smaller on a server that is too slow for them, and large again once it is not."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings
from sinks.base import Batch, Row
from sinks.clickhouse.sink import FEWEST_ROWS, ClickHouseSink

ROWS = 1000


class Server(ClickHouseSink):
    """Takes inserts of so many rows within the deadline."""

    def __init__(self, can: int, seconds: float = 0.0) -> None:
        super().__init__(ClickHouseSettings(batch_rows=ROWS, request_timeout_seconds=0.2))
        self.can, self.seconds = can, seconds
        self.inserts: list[tuple[int, int]] = []

    async def _in_thread(self, work: Callable[[], None]) -> None:
        assert isinstance(work, partial)
        [rows] = work.args
        self.inserts.append((rows[0].offset, len(rows)))
        if len(rows) > self.can:
            raise SinkUnavailable("ClickHouse did not answer", code="timeout")
        await asyncio.sleep(self.seconds)


BATCH = Batch("voice-events", 0, 0, ROWS - 1, [Row(offset, b"{}") for offset in range(ROWS)])


async def missed(server: Server) -> list[tuple[int, int]]:
    server.inserts.clear()
    with pytest.raises(SinkUnavailable):
        await server.write(BATCH)
    return list(server.inserts)


async def stored(server: Server) -> list[tuple[int, int]]:
    server.inserts.clear()
    assert (await server.write(BATCH)).stored == ROWS
    return list(server.inserts)


async def test_after_a_missed_deadline_inserts_are_smaller_until_they_are_in_time() -> None:
    server = Server(can=300)
    assert await missed(server) == [(0, 1000)]
    assert await missed(server) == [(0, 500)]
    assert (await stored(server))[:2] == [(0, 250), (250, 250)]


async def test_inserts_grow_again_when_the_server_is_fast_again() -> None:
    server = Server(can=300)
    await missed(server)
    server.can = ROWS
    assert await stored(server) == [(0, 500), (500, 500)]
    assert await stored(server) == [(0, 1000)]


async def test_inserts_do_not_grow_while_they_take_long() -> None:
    server = Server(can=300, seconds=0.06)
    await missed(server)
    await missed(server)
    assert await stored(server) == await stored(server) == [(at, 250) for at in range(0, ROWS, 250)]


async def test_inserts_do_not_become_smaller_without_end() -> None:
    server = Server(can=0)
    for _ in range(10):
        found = await missed(server)
    assert found == [(0, FEWEST_ROWS)]
