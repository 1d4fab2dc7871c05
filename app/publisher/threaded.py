"""The publisher for programs with threads: a background thread with an event loop of its own delivers."""

import asyncio
import atexit
import codecs
import multiprocessing.process
import multiprocessing.util
import os
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from app.publisher.buffer import BufferLimits, CloseReport, PublisherStats
from app.publisher.front import Broker, Front
from app.publisher.reports import quiet_library
from app.publisher.sender import Sender
from app.publisher.transport import Transport
from app.runtime.clock import Clock
from app.runtime.kafka_access import PLAIN
from app.runtime.settings import KafkaSecurity

EXIT_SECONDS = 5.0
ABORT_SECONDS = 0.5


class Publisher:
    """Publishes events from any thread.

    Nothing is connected before the first event. Events that are still in the buffer when the process forks belong to
    the parent; the child begins with an empty buffer, numbers of its own and, at its first event, a thread of its own.
    What is left is delivered at the end of the process, within five seconds.
    """

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
        self._new_front = partial(Front.create, broker, limits, clock, new_transport)
        self._begin()
        _publishers.add(self)

    def _begin(self) -> None:
        """Start afresh, at construction and in a forked child: locks and threads of the parent are of no use there."""
        self._front = self._new_front()
        self._start_lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sender: Sender | None = None
        self._run: asyncio.Task[None] | None = None
        self._report: CloseReport | None = None

    def publish(self, event: Mapping[str, object]) -> bool:
        """Whether the event was taken; returns at once and never raises.

        A missing eventId or timestamp (epoch ms) is minted now; the mapping is not changed. Events that are not taken
        are counted in `stats.dropped` by reason and logged at a bounded rate.
        """
        return self._front.publish(event, self._wake)

    def publish_record(self, key: bytes | None, value: bytes | None, timestamp_ms: int) -> bool:
        """Whether a recorded record was taken; it is written byte for byte with this Kafka timestamp."""
        return self._front.publish_record(key, value, timestamp_ms, self._wake)

    @property
    def stats(self) -> PublisherStats:
        """What became of the events so far."""
        return self._front.stats

    @property
    def is_half_full(self) -> bool:
        """Whether half of the buffer is used: time to wait for those who can."""
        return self._front.is_half_full

    def close(self, timeout: float = EXIT_SECONDS) -> CloseReport:
        """Deliver what is in the buffer, for at most `timeout` seconds, and say what was not delivered.

        Later events are dropped as `closed`. A second call returns the first one's report.
        """
        with self._start_lock:
            if self._report is None:
                self._front.refuse_more()
                self._end_thread(timeout)
                self._report = self._front.abandon()
            return self._report

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        loop, sender = self._loop, self._sender
        if loop is not None and sender is not None and not loop.is_closed():
            loop.call_soon_threadsafe(sender.wake)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is not None:
                return
            loop = _ThreadLoop()
            self._loop, self._sender = loop, self._front.new_sender()
            thread = threading.Thread(target=self._deliver, args=(loop, self._sender), name="voicemon-publisher")
            # Not a daemon would keep a program alive for as long as its broker is away.
            thread.daemon = True
            try:
                thread.start()
            except RuntimeError:
                loop.close()
                raise
            self._thread = thread
        if multiprocessing.process.parent_process() is not None:
            # Such children leave without atexit, and forget finalizers registered before they began.
            multiprocessing.util.Finalize(None, _close_all, exitpriority=10)

    def _deliver(self, loop: asyncio.AbstractEventLoop, sender: Sender) -> None:
        with quiet_library(), asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._run_sender(sender))

    async def _run_sender(self, sender: Sender) -> None:
        self._run = asyncio.ensure_future(sender.run())
        await asyncio.wait([self._run])

    def _end_thread(self, timeout: float) -> None:
        if self._thread is None or self._loop is None or self._sender is None:
            return
        self._call(self._sender.stop)
        self._thread.join(timeout)
        if self._thread.is_alive() and self._run is not None:
            self._call(self._run.cancel)
            self._thread.join(ABORT_SECONDS)

    def _call(self, function: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)


class _ThreadLoop(asyncio.SelectorEventLoop):
    """Resolves names in its own thread: at the end of the process there are no executors any more."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)


_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()


def _begin_in_child() -> None:
    for publisher in list(_publishers):
        publisher._begin()


def _close_all() -> None:
    for publisher in list(_publishers):
        publisher.close(EXIT_SECONDS)


# Loaded now: names are encoded with it, and nothing can be imported any more while the process ends.
codecs.lookup("idna")
os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_close_all)
