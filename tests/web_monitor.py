"""The web application on a made-up worker, served on a Unix socket."""

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from clickhouse_connect.driver.client import Client
from pydantic import BaseModel

from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.catalogue import CATALOGUE
from app.queries.query import Query
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings, Settings
from app.web.contract import TableInfo, TablePartition
from app.web.questions import Connect
from app.web.server import build_web, new_runner
from tables.counters import CountersTable

NOW_MS = 493_000 * HOUR_MS + 30 * MINUTE_MS
STAFF, OWN = "staff-token-of-the-tests", "token-of-organisation-one"
ONE, OTHER = "org one/ü", "org_two"
TOKENS = f"anna staff {STAFF}; one organization:org%20one%2F%C3%BC {OWN}"


class Figures(CountersTable):
    """The real counters without a Kafka behind them."""

    def __init__(self, partitions: int = 2) -> None:
        self.partitions, self._partitions, self._retention_ms, self._writer = partitions, {}, 3 * HOUR_MS, "worker-1"
        self.as_of = lambda partition: NOW_MS

    def count(self, organization_id: str | None, index: int, count: int = 1, minutes_ago: int = 0) -> None:
        """Count in partition 0."""
        state = self.partition(0)
        state.apply({(organization_id, NOW_MS // MINUTE_MS - minutes_ago, (index,)): count}, state.applied + 1)


@dataclass
class MadeUpWorker:
    """A `WorkerView` whose state a test chooses."""

    counters: Any = field(default_factory=Figures)
    reasons: list[str] = field(default_factory=list)
    recovering: str | None = None
    at_ms: int = NOW_MS
    is_paused: bool = False

    def resume(self) -> bool:
        was_paused, self.is_paused = self.is_paused, False
        return was_paused

    def not_ready(self) -> list[str]:
        return self.reasons

    def incomplete(self) -> str | None:
        return self.recovering

    def as_of_ms(self) -> int:
        return self.at_ms

    def now_ms(self) -> int:
        return self.at_ms

    def tables(self) -> list[TableInfo]:
        return [
            TableInfo(
                "counters", "Events by counter type", "t-counters-changelog", [0], len(self.counters), "UTC hours",
                [TablePartition(0, "worker-1", 17, 3), TablePartition(1, "worker-2", None, None)],
            )
        ]  # fmt: skip

    def exposition(self) -> bytes:
        return b"voicemon_ready 1\n"


@dataclass
class Site:
    """A served application."""

    session: aiohttp.ClientSession
    worker: MadeUpWorker
    app: web.Application

    async def ask(self, path: str, token: str = "", method: str = "GET", **options: Any) -> tuple[int, Any, Any]:
        """Status, body (JSON or text) and headers; redirects are not followed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        url = f"http://localhost{path}"
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text()), answer.headers


def no_store(settings: ClickHouseSettings) -> Client:
    """A ClickHouse that does not answer."""
    raise SinkUnavailable(f"ClickHouse at {settings.url} does not answer")


@asynccontextmanager
async def served(
    worker: MadeUpWorker | None = None,
    store: Connect = no_store,
    catalogue: Sequence[Query] = CATALOGUE,
    **settings: Mapping[str, Any] | BaseModel,
) -> AsyncIterator[Site]:
    """Serve while the block runs; keyword arguments are groups of settings."""
    worker = worker or MadeUpWorker()
    app = build_web(worker, Settings.model_validate(settings), store, catalogue)
    runner = new_runner(app, shutdown_seconds=0.2)
    await runner.setup()
    with tempfile.TemporaryDirectory(prefix="voicemon-web-") as folder:
        path = str(Path(folder) / "web.sock")
        await web.UnixSite(runner, path).start()
        jar, connector = aiohttp.DummyCookieJar(), aiohttp.UnixConnector(path)
        try:
            async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
                yield Site(session, worker, app)
        finally:
            await runner.cleanup()
