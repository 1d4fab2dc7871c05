"""A way to a server that can be made slow or silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Detour:
    """Hands connections on to a server as they come.

    `answer_seconds` is how much later than the server's own each answer goes back. While it `is_silent`, connections
    are taken and nothing is handed on; what was sent meanwhile is lost with its connection.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self.answer_seconds = 0.0
        self.is_silent = False
        self.url = ""
        self._connections: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        there_reader, there_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        ways = [self._hand_on(reader, there_writer), self._hand_on(there_reader, writer, is_answer=True)]
        tasks = [asyncio.create_task(way) for way in ways]
        self._connections.add(writer)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._connections.discard(writer)
            writer.close()
            there_writer.close()

    async def end(self) -> None:
        """End the connections that are left."""
        self.is_silent = False
        for writer in self._connections:
            writer.close()
        while self._connections:  # noqa: ASYNC110  (they go by themselves)
            await asyncio.sleep(0.05)

    async def _hand_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self.is_silent:
                while self.is_silent:  # noqa: ASYNC110  (somebody else ends it)
                    await asyncio.sleep(0.05)
                return
            if is_answer:
                await asyncio.sleep(self.answer_seconds)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def detour(target: str) -> AsyncIterator[Detour]:
    """A detour to a URL, on a port of its own."""
    way = Detour(target)
    async with await asyncio.start_server(way.serve, "127.0.0.1", 0) as server:
        way.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield way
        finally:
            await way.end()
