"""Questions to ClickHouse from the web server's loop: a few threads, each with a connection of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from aiohttp import web
from clickhouse_connect.driver.client import Client

from app.queries.errors import InvalidParameter, NotFound
from app.runtime.errors import VoicemonError
from app.runtime.settings import ClickHouseSettings, Settings
from app.web.responses import ApiError
from sinks.clickhouse.client import StoreError, clear_errors
from sinks.clickhouse.explain import NOT_MIGRATED

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
Connect = Callable[[ClickHouseSettings], Client]

# ClickHouse's own TIMEOUT_EXCEEDED.
TOO_SLOW = 159


class Questions:
    """Runs functions of a ClickHouse client, bounded in number and time."""

    def __init__(self, settings: Settings, connect: Connect) -> None:
        self._connect = connect
        web_settings = settings.web
        self._seconds = web_settings.query_seconds
        # The thread gives up soon after its caller has, so that threads do not gather behind a store that hangs.
        self._store = settings.clickhouse.model_copy(update={"request_timeout_seconds": self._seconds})
        self._threads = ThreadPoolExecutor(web_settings.query_threads, thread_name_prefix="question")
        self._most = web_settings.query_threads + web_settings.query_queue
        self._open = 0
        self._local = threading.local()

    async def ask(self, question: Callable[[Client], Result]) -> Result:
        """What the question gives.

        Raises ApiError: 503 if too many wait or the store does not answer, 504 at the deadline, 404 for NotFound, 400
        for InvalidParameter.
        """
        if self._open >= self._most:
            raise ApiError(503, "busy", "too many questions wait for an answer: ask again in a second")
        self._open += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, question)
        running.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(running), self._seconds)
        except TimeoutError:
            running.cancel()
            raise ApiError(
                504, "timeout", f"no answer within {self._seconds:g} s: ask again soon, or for less"
            ) from None
        except VoicemonError as error:
            raise _failure(error) from error

    def close(self) -> None:
        """Take no more questions; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, running: "asyncio.Future[Result]") -> None:
        self._open -= 1
        if not running.cancelled():
            running.exception()

    def _run(self, question: Callable[[Client], Result]) -> Result:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect(self._store)
        try:
            with clear_errors(self._store):
                return question(client)
        except (InvalidParameter, NotFound):
            raise
        except VoicemonError:
            self._local.client = None
            client.close()
            raise


QUESTIONS: web.AppKey[Questions] = web.AppKey("questions", Questions)


def _failure(error: VoicemonError) -> ApiError:
    """The answer to a question that failed; what the store said is for the log, it may name other organisations."""
    if isinstance(error, InvalidParameter):
        return ApiError(400, "invalid_parameter", str(error))
    if isinstance(error, NotFound):
        return ApiError(404, "not_found", str(error))
    log.warning("A question to ClickHouse failed", reason=str(error))
    code = error.code if isinstance(error, StoreError) else None
    if code == TOO_SLOW:
        return ApiError(504, "timeout", "ClickHouse needs too long for that: ask again soon, or for less")
    if code in NOT_MIGRATED:
        return ApiError(503, "no_schema", "ClickHouse has no complete schema yet: a worker is about to make it")
    if isinstance(error, StoreError):
        return ApiError(503, "store_refused", "ClickHouse refused the question: the worker's log says why")
    return ApiError(503, "store_unavailable", "ClickHouse does not answer: ask again soon")
