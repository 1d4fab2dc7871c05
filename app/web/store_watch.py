"""What becomes visible in the store, each row told once, in whatever order inserts become visible."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from clickhouse_connect.driver.client import Client

from app.domain.windows import HOUR_MS
from app.queries.new_events import Insert, StoredEvents, stored_events, visible_inserts
from app.runtime.settings import Settings

LATE_MS: Final = 90_000
"""Longest time between an insert's `stored_at` and its visibility: an insert's deadline, and clocks that differ."""

Result = TypeVar("Result")


class Ask(Protocol):
    """Runs a question to ClickHouse. Raises ApiError if there is no answer."""

    def __call__(self, question: Callable[[Client], Result], /) -> Awaitable[Result]:
        """What the question gives."""
        ...


class StoreWatch:
    """Looks at the store again and again.

    What is known is not a place in the log, because inserts of a later place can be visible before those of an earlier
    one: it is every insert of the last `LATE_MS`, with a sum over its rows.
    """

    def __init__(self, ask: Ask, settings: Settings) -> None:
        self._ask = ask
        self._visible_ms = settings.retention.events_hours * HOUR_MS
        self.longest_pause_ms = max(int(settings.web.stream_lookback_seconds * 1000), LATE_MS)
        self._seen: dict[Insert, int] = {}
        self._told: dict[Insert, set[int]] = {}
        self.looked_ms: int | None = None
        """When the last look began; all that became visible before it has been told, or was there at the start."""

    async def look(self, now_ms: int) -> StoredEvents | None:
        """What has become visible since the last look; None at a first one, and after too long a pause.

        Then it notes only what is there. Raises ApiError if ClickHouse does not answer; the next look makes up for it.
        """
        looked_ms = self.looked_ms
        if looked_ms is not None and now_ms - looked_ms > self.longest_pause_ms:
            looked_ms = None
        from_ms = (now_ms if looked_ms is None else min(now_ms, looked_ms)) - LATE_MS
        visible_ms = now_ms - self._visible_ms
        seen = await self._ask(partial(visible_inserts, stored_ms=from_ms, visible_ms=visible_ms))
        changed = {insert for insert, rows in seen.items() if self._seen.get(insert) != rows}
        found = StoredEvents([])
        if looked_ms is not None and changed:
            moments = {at_ms for _, at_ms in changed}
            found = await self._ask(partial(stored_events, stored_ms=from_ms, visible_ms=visible_ms, moments=moments))
        self._seen, self.looked_ms = seen, now_ms
        self._told = {insert: offsets for insert, offsets in self._told.items() if insert in seen}
        new = [one for one in found.events if one.insert in changed and self._is_new(one.insert, one.offset)]
        return None if looked_ms is None else found._replace(events=new)

    async def since(self, since_ms: int, now_ms: int) -> StoredEvents:
        """What can have become visible since that time, and some of what had before. Raises ApiError as `look`."""
        visible_ms = now_ms - self._visible_ms
        return await self._ask(partial(stored_events, stored_ms=since_ms - LATE_MS, visible_ms=visible_ms))

    def _is_new(self, insert: Insert, offset: int) -> bool:
        """Note a row as told; False if it was."""
        told = self._told.setdefault(insert, set())
        is_new = offset not in told
        told.add(offset)
        return is_new
