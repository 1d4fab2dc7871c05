"""The publisher for asyncio programs: a task in the caller's loop delivers."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from app.publisher.buffer import BufferLimits, CloseReport, PublisherStats
from app.publisher.front import Broker, Front
from app.publisher.sender import Sender
from app.publisher.transport import Transport
from app.runtime.clock import Clock
from app.runtime.kafka_access import PLAIN
from app.runtime.settings import KafkaSecurity

CLOSE_SECONDS = 5.0


class AsyncPublisher:
    """Publishes events from the thread of one event loop; make one per process and loop, and close it."""

    def __init__(  # noqa: PLR0913 - what a caller may choose
        self,
        bootstrap: str,
        topic_prefix: str = "",
        *,
        security: KafkaSecurity | None = None,
        limits: BufferLimits | None = None,
        clock: Clock | None = None,
        new_transport: Callable[[], Transport] | None = None,
    ) -> None:
        broker = Broker(bootstrap, topic_prefix, security or PLAIN)
        self._front = Front.create(broker, limits, clock, new_transport)
        self._sender: Sender | None = None
        self._run: asyncio.Task[None] | None = None
        self._report: CloseReport | None = None

    def publish(self, event: Mapping[str, object]) -> bool:
        """Whether the event was taken; as `Publisher.publish`, not a coroutine, so there is nothing to await."""
        return self._front.publish(event, self._wake)

    @property
    def stats(self) -> PublisherStats:
        """What became of the events so far."""
        return self._front.stats

    async def close(self, timeout: float = CLOSE_SECONDS) -> CloseReport:
        """Deliver what is in the buffer, for at most `timeout` seconds, and say what was not delivered."""
        if self._report is None:
            self._front.refuse_more()
            if self._sender is not None and self._run is not None:
                self._sender.stop()
                _, late = await asyncio.wait([self._run], timeout=timeout)
                for task in late:
                    task.cancel()
            self._report = self._front.abandon()
        return self._report

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    def _wake(self) -> None:
        if self._run is None:
            self._sender = self._front.new_sender()
            self._run = asyncio.get_running_loop().create_task(self._sender.run())
        elif self._sender is not None:
            self._sender.wake()
