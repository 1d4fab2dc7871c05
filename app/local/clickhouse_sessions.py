"""Sessions of the HTTP protocol: USE and SET outlive their request under a session id."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.local.clickhouse_errors import BAD_ARGUMENTS, SESSION_IS_LOCKED, QueryRefused

MOST_SESSIONS = 1000
DEFAULT_TIMEOUT_SECONDS = 60.0
LONGEST_TIMEOUT_SECONDS = 3600.0


@dataclass(slots=True)
class Session:
    """What a session keeps."""

    database: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    is_busy: bool = False
    ends_at: float = 0.0

    def remember(self, database: str, settings: Mapping[str, str]) -> None:
        """Keep what a USE or SET statement changed."""
        self.database = database or self.database
        self.settings.update(settings)


class Sessions:
    """Open sessions by user and id; used from the event loop only."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str], Session] = OrderedDict()

    @contextmanager
    def enter(self, user: str, query: Mapping[str, str]) -> Iterator[Session]:
        """The request's session, or one of its own if it names none.

        Raises QueryRefused: 373 while another request of the session runs, 36 for a bad timeout.
        """
        name = query.get("session_id", "")
        if not name:
            yield Session()
            return
        timeout = _timeout(query.get("session_timeout", ""))
        session = self._take(user, name)
        session.is_busy = True
        try:
            yield session
        finally:
            session.is_busy = False
            session.ends_at = time.monotonic() + timeout

    def _take(self, user: str, name: str) -> Session:
        now = time.monotonic()
        for key in [key for key, held in self._open.items() if not held.is_busy and held.ends_at < now]:
            del self._open[key]
        session = self._open.setdefault((user, name), Session())
        self._open.move_to_end((user, name))
        if session.is_busy:
            raise QueryRefused(SESSION_IS_LOCKED, f"Session {name[:80]} is locked by a concurrent client.")
        if len(self._open) > MOST_SESSIONS:
            self._open.popitem(last=False)
        return session


def _timeout(text: str) -> float:
    try:
        return min(float(text or DEFAULT_TIMEOUT_SECONDS), LONGEST_TIMEOUT_SECONDS)
    except ValueError as error:
        raise QueryRefused(BAD_ARGUMENTS, f"session_timeout={text[:40]!r} is not a number of seconds.") from error
