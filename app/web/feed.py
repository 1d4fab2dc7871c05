"""What readers of the live stream get: made once for each organisation that somebody follows, not for each reader."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import orjson
import structlog
from clickhouse_connect.driver.client import Client

from app.queries.new_events import NewEvents, new_events, stored_offsets
from app.runtime.settings import Settings
from app.web.contract import WorkerView
from app.web.metrics import live_figures
from app.web.questions import Questions
from app.web.responses import ApiError

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 15.0
BUSY_SHARE: Final = 4
LONGEST_PAUSE_SECONDS: Final = 3.0
"""The store is asked at most a fifth of the time, unless that made events come much too late."""
OVERLAP_MS: Final = 10_000
"""An insert takes its time before its rows can be seen."""
WAITING: Final = 32
"""Messages that a reader may be behind before it is dropped."""
SHOWN: Final = 200
"""Most events in one message: more of them nobody reads in a second."""
HOUR_MS: Final = 3_600_000


class Reader:
    """One reader; `None` in its queue ends it."""

    def __init__(self, organization_id: str | None) -> None:
        self.organization_id = organization_id
        self.messages: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self.is_dropped = False

    def put(self, message: bytes) -> None:
        """Send a message; a reader that has not taken the last ones is dropped instead."""
        if self.messages.full():
            self.is_dropped = True
            self.messages.get_nowait()
            self.messages.put_nowait(None)
        elif not self.is_dropped:
            self.messages.put_nowait(message)


class Feed:
    """Live figures and new events for all readers of a worker; nothing is asked while nobody reads."""

    def __init__(self, worker: WorkerView, questions: Questions, settings: Settings) -> None:
        self._worker, self._questions = worker, questions
        self._most = settings.web.stream_readers
        self._lookback_ms = int(settings.web.stream_lookback_seconds * 1000)
        self._visible_ms = settings.retention.events_hours * HOUR_MS
        self._stale_ms = int(settings.ingest.stale_seconds * 1000)
        self._readers: set[Reader] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._sent_ms: int | None = None

    def join(self, organization_id: str | None) -> Reader:
        """A new reader. Raises ApiError 503 if there are too many, or while live figures are not complete."""
        if len(self._readers) >= self._most:
            raise ApiError(503, "too_many_readers", f"{self._most} readers follow this worker: ask another one")
        live_figures(self._worker, organization_id, self._stale_ms)
        reader = Reader(organization_id)
        self._readers.add(reader)
        if not self._tasks:
            work = (self._count(), self._beat(), self._follow())
            self._tasks = [asyncio.create_task(one) for one in work]
            for task in self._tasks:
                task.add_done_callback(self._ended)
        return reader

    def leave(self, reader: Reader) -> None:
        """Forget a reader; the last one ends the work."""
        self._readers.discard(reader)
        if not self._readers:
            self.stop()

    def stop(self) -> None:
        """End the work and all readers."""
        for task in self._tasks:
            task.cancel()
        self._tasks, self._sent_ms = [], None
        for reader in self._readers:
            if reader.messages.full():
                reader.messages.get_nowait()
            reader.messages.put_nowait(None)

    def figures(self, organization_id: str | None) -> bytes:
        """The message with the live figures, or with why they are not complete."""
        try:
            return message("counters", live_figures(self._worker, organization_id, self._stale_ms), self._sent_ms)
        except ApiError as error:
            return message("recovering", {"code": error.code, "message": error.message})

    async def missed(self, organization_id: str | None, last_id: str) -> list[bytes]:
        """What a reader missed since the message with that id, or a `gap` where that is too much or unknown."""
        now_ms = self._worker.now_ms()
        since_ms = int(last_id) if last_id.isascii() and last_id.isdecimal() and len(last_id) < 16 else 0
        if not now_ms - self._lookback_ms <= since_ms <= now_ms:
            return [message("gap", {"reason": "the last event that was seen is too long ago"}, now_ms)]
        ask = partial(new_events, offsets={}, stored_ms=since_ms - OVERLAP_MS, visible_ms=now_ms - self._visible_ms)
        try:
            found = await self._questions.ask(ask)
        except ApiError as error:
            return [message("gap", {"reason": error.message}, now_ms)]
        events = _of(found.events, organization_id)
        gap = [message("gap", {"reason": "more events than are sent again"})] if len(events) > SHOWN else []
        return [*gap, message("events", events[-SHOWN:], now_ms)] if events else []

    async def _count(self) -> None:
        while True:
            self._send(self.figures)
            await asyncio.sleep(EVERY_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._send(self._heartbeat)

    async def _follow(self) -> None:
        """Hand on new events for ever; a store that is away is waited for."""
        loop = asyncio.get_running_loop()
        offsets: dict[int, int] | None = None
        # What is stored from now on is new, however late the store's first answer comes.
        begun_ms = self._worker.now_ms()
        while True:
            started, now_ms = loop.time(), self._worker.now_ms()
            with suppress(ApiError):
                if offsets is None:
                    offsets = await self._questions.ask(
                        partial(stored_offsets, from_ms=begun_ms - HOUR_MS, to_ms=begun_ms)
                    )
                else:
                    found = await self._questions.ask(self._since(offsets, now_ms))
                    offsets = found.offsets
                    if found.events:
                        self._send(partial(self._events, found.events, now_ms))
                self._sent_ms = now_ms
            pause = (loop.time() - started) * BUSY_SHARE
            await asyncio.sleep(min(max(EVERY_SECONDS, pause), LONGEST_PAUSE_SECONDS))

    def _heartbeat(self, organization_id: str | None) -> bytes:
        return message("heartbeat", {"now": self._worker.now_ms()})

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that fails ends all readers: they come back, and that starts the tasks anew."""
        if not task.cancelled() and task.exception() is not None:
            log.error("The live stream failed; its readers have to come back", reason=repr(task.exception()))
            self.stop()

    def _since(self, offsets: dict[int, int], now_ms: int) -> Callable[[Client], NewEvents]:
        return partial(
            new_events,
            offsets=offsets,
            stored_ms=now_ms - max(self._lookback_ms, OVERLAP_MS),
            visible_ms=now_ms - self._visible_ms,
        )

    @staticmethod
    def _events(events: list[dict[str, Any]], now_ms: int, organization_id: str | None) -> bytes | None:
        ours = _of(events, organization_id)
        return message("events", ours[-SHOWN:], now_ms) if ours else None

    def _send(self, make: Callable[[str | None], bytes | None]) -> None:
        """Send each reader the message of its organisation."""
        made: dict[str | None, bytes | None] = {}
        for reader in self._readers:
            scope = reader.organization_id
            if scope not in made:
                made[scope] = make(scope)
            found = made[scope]
            if found is not None:
                reader.put(found)


def message(event: str, data: object, id_ms: int | None = None) -> bytes:
    """One server-sent event; its id is the time up to which stored events have been sent."""
    head = b"" if id_ms is None else b"id: %d\n" % id_ms
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), orjson.dumps(data))


def _of(events: list[dict[str, Any]], organization_id: str | None) -> list[dict[str, Any]]:
    if organization_id is None:
        return events
    return [event for event in events if event.get("organizationId") == organization_id]
