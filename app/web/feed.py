"""What readers of the live stream get: made once for each organisation that somebody follows, not for each reader."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

import orjson
import structlog

from app.queries.new_events import StoredEvents
from app.runtime.settings import Settings
from app.web.contract import WorkerView
from app.web.metrics import live_figures
from app.web.questions import Questions
from app.web.responses import ApiError
from app.web.store_watch import LATE_MS, StoreWatch

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 15.0
BUSY_SHARE: Final = 4
LONGEST_PAUSE_SECONDS: Final = 3.0
"""The store is asked at most a fifth of the time, unless that made events come much too late."""
WAITING: Final = 32
"""Messages that a reader may be behind before it is dropped."""
SHOWN: Final = 200
"""Most events in one message: more of them nobody reads in a second."""

LONGEST_ID: Final = 16
TOO_LONG_AGO: Final = "the last event that was seen is too long ago"
TOO_MANY: Final = "more events than are sent at once"
STORE_WAS_AWAY: Final = "the store did not answer for too long"
Part = tuple[str, object]
"""Name and data of a message."""


class Reader:
    """One reader; `None` in its queue ends it.

    It `is_following` once it has been told so: from then on nothing that becomes visible passes it by. `since_ms` is up
    to when it had followed before, None for a new one.
    """

    def __init__(self, organization_id: str | None, since_ms: int | None = None) -> None:
        self.organization_id, self.since_ms = organization_id, since_ms
        self.messages: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self.is_following = False
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
        self._worker, self._questions, self._settings = worker, questions, settings
        self._most = settings.web.stream_readers
        self._lookback_ms = int(settings.web.stream_lookback_seconds * 1000)
        self._stale_ms = int(settings.ingest.stale_seconds * 1000)
        self._readers: set[Reader] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._watch = StoreWatch(questions.ask, settings)

    def join(self, organization_id: str | None, last_id: str = "") -> Reader:
        """A new reader, which goes on behind the message `last_id` if that is not too long ago.

        Raises ApiError 503 if there are too many, or while live figures are not complete.
        """
        if len(self._readers) >= self._most:
            raise ApiError(503, "too_many_readers", f"{self._most} readers follow this worker: ask another one")
        figures = live_figures(self._worker, organization_id, self._stale_ms)
        since_ms = self._since(last_id)
        reader = Reader(organization_id, since_ms)
        reader.put(message("counters", figures))
        if last_id and since_ms is None:
            reader.put(message("gap", {"reason": TOO_LONG_AGO}))
        self._readers.add(reader)
        if self._watch.looked_ms is not None and since_ms is None:
            self._let_follow([reader])
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
        self._tasks, self._watch = [], StoreWatch(self._questions.ask, self._settings)
        for reader in self._readers:
            if reader.messages.full():
                reader.messages.get_nowait()
            reader.messages.put_nowait(None)

    def _figures(self, organization_id: str | None) -> list[Part]:
        """The live figures, or why they are not complete."""
        try:
            return [("counters", live_figures(self._worker, organization_id, self._stale_ms))]
        except ApiError as error:
            return [("recovering", {"code": error.code, "message": error.message})]

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self._send(self._figures, self._readers)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._send(lambda _: [("heartbeat", {"now": self._worker.now_ms()})], self._readers)

    async def _follow(self) -> None:
        """Hand on new events for ever; a store that is away is waited for."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            with suppress(ApiError):
                await self._look()
            pause = (loop.time() - started) * BUSY_SHARE
            await asyncio.sleep(min(max(EVERY_SECONDS, pause), LONGEST_PAUSE_SECONDS))

    async def _look(self) -> None:
        """Send what is new, then tell those who wait what they missed, and that they follow."""
        now_ms, waiting = self._worker.now_ms(), [reader for reader in self._readers if not reader.is_following]
        had_begun = self._watch.looked_ms is not None
        found = await self._watch.look(now_ms)
        if found is None and had_begun:
            self._begin_anew()
            waiting = list(self._readers)
        elif found is not None:
            self._tell(self._readers, found)
        await self._catch_up([reader for reader in waiting if reader.since_ms is not None], now_ms)
        self._let_follow(waiting)

    def _begin_anew(self) -> None:
        for reader in self._readers:
            if reader.is_following:
                reader.put(message("gap", {"reason": STORE_WAS_AWAY}))
            reader.is_following = False

    async def _catch_up(self, waiting: list[Reader], now_ms: int) -> None:
        """Tell readers what they missed: one question for them all."""
        moments = [reader.since_ms for reader in waiting if reader.since_ms is not None]
        if not moments:
            return
        missed = await self._watch.since(min(moments), now_ms)
        for reader in waiting:
            from_ms = (reader.since_ms or 0) - LATE_MS
            own = [one for one in missed.events if one.insert[1] >= from_ms]
            self._tell([reader], missed._replace(events=own))
            reader.since_ms = None

    def _let_follow(self, readers: Iterable[Reader]) -> None:
        for reader in readers:
            reader.is_following = True
            reader.put(message("following", {"now": self._worker.now_ms()}, self._watch.looked_ms))

    def _since(self, last_id: str) -> int | None:
        """Up to when the reader of a message with that id had followed, None if that is unknown or too long ago."""
        now_ms = self._worker.now_ms()
        since_ms = int(last_id) if last_id.isascii() and last_id.isdecimal() and len(last_id) < LONGEST_ID else 0
        # The clock of the worker that it had followed before may be a little ahead of ours.
        is_known = now_ms - self._lookback_ms <= since_ms <= now_ms + LATE_MS
        return min(since_ms, now_ms) if is_known else None

    def _tell(self, readers: Iterable[Reader], found: StoredEvents) -> None:
        """Send events to the readers, and a gap to those from whom some are kept back."""
        self._send(partial(_events, found), readers)

    def _send(self, make: Callable[[str | None], list[Part]], readers: Iterable[Reader]) -> None:
        """Send each reader the parts made for its organisation.

        Only who follows gets ids: a reader that waits for what it missed must not come back behind that.
        """
        made: dict[tuple[str | None, bool], bytes] = {}
        for reader in readers:
            scope = (reader.organization_id, reader.is_following)
            if scope not in made:
                id_ms = self._watch.looked_ms if reader.is_following else None
                made[scope] = b"".join(message(event, data, id_ms) for event, data in make(reader.organization_id))
            if made[scope]:
                reader.put(made[scope])

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that fails ends all readers: they come back, and that starts the tasks anew."""
        if not task.cancelled() and task.exception() is not None:
            log.error("The live stream failed; its readers have to come back", reason=repr(task.exception()))
            self.stop()


def message(event: str, data: object, id_ms: int | None = None) -> bytes:
    """One server-sent event; its id is the time up to which stored events have been sent."""
    head = b"" if id_ms is None else b"id: %d\n" % id_ms
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), orjson.dumps(data))


def _events(found: StoredEvents, organization_id: str | None) -> list[Part]:
    ours = [one.event for one in found.events if organization_id in {None, one.event.get("organizationId")}]
    is_whole = len(ours) <= SHOWN and found.are_all_of(organization_id)
    gap: list[Part] = [] if is_whole else [("gap", {"reason": TOO_MANY})]
    return [*gap, ("events", ours[-SHOWN:])] if ours else gap
