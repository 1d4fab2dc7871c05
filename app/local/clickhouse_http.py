"""ClickHouse's HTTP protocol over the embedded engine."""

import asyncio
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from aiohttp import web

from app.local.clickhouse_call import Call, Reply
from app.local.clickhouse_engine import Context, Engine, ResultStream, parameter
from app.local.clickhouse_errors import QueryRefused
from app.local.clickhouse_request import (
    BodyTooLarge,
    User,
    authenticate,
    credentials_of,
    decoded_body,
    parameters_of,
    refuse_native_framing,
    statement_of,
)
from app.local.clickhouse_sessions import Sessions
from app.local.statement_gate import StatementGate

THREADS = 16
log = structlog.get_logger(__name__)


class Endpoint:
    """Answers requests; one per engine."""

    def __init__(self, engine: Engine, users: Sequence[User], max_request_bytes: int) -> None:
        self._engine = engine
        self._users: Mapping[str, User] = {user.name: user for user in users}
        self._limit = max_request_bytes
        self._pool = ThreadPoolExecutor(THREADS, "query")
        self._sessions = Sessions()
        self._gate = StatementGate(self._ask)

    def application(self) -> web.Application:
        """The web application; its clean-up cancels what still runs."""
        app = web.Application(client_max_size=self._limit)
        app.router.add_get("/ping", _pong)
        app.router.add_get("/replicas_status", _pong)
        app.router.add_get("/", self._answer)
        app.router.add_post("/", self._answer)
        app.on_cleanup.append(self._close)
        return app

    def _ask(self, query: str, params: Mapping[str, str]) -> list[str]:
        escaped = {name: parameter(value) for name, value in params.items()}
        return self._engine.query(query, "JSONCompactColumns", Context(params=escaped)).column()

    async def _close(self, _app: web.Application) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._engine.kill, "")
        await loop.run_in_executor(None, self._pool.shutdown)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query_id = _header_safe(request.query.get("query_id", "")) or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Server-Display-Name": "voicemon",
        }
        try:
            user = authenticate(credentials_of(request), self._users)
            if request.method in ("GET", "HEAD") and not request.query.get("query"):
                return web.Response(text="Ok.\n", headers=headers)
            reply = await self._reply(request, Call(self._engine, self._gate, user, query_id))
        except QueryRefused as error:
            headers["X-ClickHouse-Exception-Code"] = str(error.code)
            return web.Response(status=error.status, headers=headers, text=f"{error}\n")
        except web.RequestPayloadError as error:
            return web.Response(status=400, headers=headers, text=f"The body cannot be read: {error}\n")
        except BodyTooLarge:
            return web.Response(status=413, headers=headers, text=f"The request is larger than {self._limit} bytes.\n")
        headers["X-ClickHouse-Summary"] = json.dumps(reply.answer.summary)
        headers["Content-Type"] = "application/octet-stream"
        if reply.output_format:
            headers["X-ClickHouse-Format"] = reply.output_format
        if reply.rest:
            return await self._send_pieces(request, headers, reply.answer.body, reply.rest)
        return web.Response(body=reply.answer.body, headers=headers)

    async def _reply(self, request: web.Request, call: Call) -> Reply:
        refuse_native_framing(request)
        parameters, raw = await parameters_of(request)
        body = decoded_body(raw, request.headers.get("Content-Encoding", ""), self._limit)
        user = credentials_of(request).user
        call.read(request, parameters, statement_of(parameters.get("query", ""), body))
        loop = asyncio.get_running_loop()
        with self._sessions.enter(user, request.query) as session:
            running = loop.run_in_executor(self._pool, call.run, session)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # The client has gone. A statement that only reads is stopped, and a stream nobody takes is closed.
                running.add_done_callback(_close_unread)
                loop.run_in_executor(None, call.cancel)
                raise

    async def _send_pieces(
        self, request: web.Request, headers: dict[str, str], piece: bytes, rest: ResultStream
    ) -> web.StreamResponse:
        """Send a result as it comes; a failure on the way is told in ClickHouse's framing for that."""
        tag = secrets.token_hex(8)
        response = web.StreamResponse(headers={**headers, "X-ClickHouse-Exception-Tag": tag})
        loop = asyncio.get_running_loop()
        try:
            await response.prepare(request)
            while piece:
                await response.write(piece)
                piece = await loop.run_in_executor(self._pool, rest.next_piece)
        except QueryRefused as error:
            log.warning("A result ended with an error", code=error.code)
            await response.write(_late_error(f"{error}\n", tag))
        finally:
            # In a thread and not awaited: closing an unfinished result waits for the engine, cancelled or not.
            loop.run_in_executor(self._pool, rest.close)
        await response.write_eof()
        return response


def _close_unread(running: "asyncio.Future[Reply]") -> None:
    if not running.cancelled() and running.exception() is None and running.result().rest:
        asyncio.get_running_loop().run_in_executor(None, running.result().rest.close)  # type: ignore[union-attr]


def _late_error(text: str, tag: str) -> bytes:
    """An error behind rows already sent. Source: ClickHouse, WriteBufferFromHTTPServerResponse.cpp."""
    message = text.encode()
    return b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (
        tag.encode(),
        message,
        len(message),
        tag.encode(),
    )


def _header_safe(text: str) -> str:
    return "".join(char for char in text[:200] if char.isprintable() and char.isascii())


async def _pong(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")
