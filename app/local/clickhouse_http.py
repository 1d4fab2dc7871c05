"""ClickHouse's HTTP protocol over the embedded engine."""

import asyncio
import json
import struct
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from app.local.clickhouse_engine import Answer, Context, Engine, parameter
from app.local.clickhouse_errors import ACCESS_DENIED, READONLY, QueryRefused
from app.local.clickhouse_request import (
    RESERVED,
    BodyTooLarge,
    Statement,
    User,
    authenticate,
    credentials_of,
    decoded_body,
    refuse_native_framing,
    statement_of,
)
from app.local.clickhouse_sessions import Session, Sessions
from app.local.gate_tree import is_plain_name
from app.local.statement_gate import StatementGate, Verdict

THREADS = 16
# clickhouse-go's first query; its answer is decoded at this fixed protocol revision, whatever the server is.
_GO_HELLO = "SELECT displayName(), version(), revision(), timezone()"
_GO_REVISION = 54454


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
        """The web application."""
        app = web.Application(client_max_size=self._limit)
        app.router.add_get("/ping", _pong)
        app.router.add_get("/replicas_status", _pong)
        app.router.add_route("GET", "/", self._answer)
        app.router.add_route("POST", "/", self._answer)
        app.on_cleanup.append(self._close)
        return app

    def _ask(self, query: str, params: Mapping[str, str]) -> list[str]:
        escaped = {name: parameter(value) for name, value in params.items()}
        return self._engine.query(query, "JSONCompactColumns", Context(params=escaped)).column()

    async def _close(self, _app: web.Application) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {
            "X-ClickHouse-Query-Id": _header_safe(request.query.get("query_id", "")) or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Server-Display-Name": "voicemon",
        }
        try:
            user = authenticate(credentials_of(request), self._users)
            if request.method in ("GET", "HEAD") and not request.query_string:
                return web.Response(text="Ok.\n", headers=headers)
            refuse_native_framing(request)
            body = decoded_body(await request.read(), request.headers.get("Content-Encoding", ""), self._limit)
            call = Call(self._engine, self._gate, request, user, statement_of(request.query.get("query", ""), body))
            with self._sessions.enter(user.name, request.query) as session:
                answer, output_format = await asyncio.get_running_loop().run_in_executor(self._pool, call.run, session)
        except QueryRefused as error:
            headers["X-ClickHouse-Exception-Code"] = str(error.code)
            return web.Response(status=error.status, headers=headers, text=f"{error}\n")
        except BodyTooLarge:
            return web.Response(status=413, headers=headers, text=f"The request is larger than {self._limit} bytes.\n")
        headers["X-ClickHouse-Summary"] = json.dumps(answer.summary)
        if output_format:
            headers["X-ClickHouse-Format"] = output_format
        return web.Response(body=answer.body, headers=headers, content_type="application/octet-stream")


class Call:
    """One judged statement in one request."""

    def __init__(self, engine: Engine, gate: StatementGate, request: web.Request, user: User, what: Statement) -> None:
        self._engine = engine
        self._gate = gate
        self._what = what
        self._is_readonly = user.is_readonly or request.method in ("GET", "HEAD")
        query = request.query
        self._settings = {name: value for name, value in query.items() if not _is_reserved(name)}
        self._params = {name[6:]: value for name, value in query.items() if name.startswith("param_")}
        self._database = query.get("database") or request.headers.get("X-ClickHouse-Database", "")
        self._format = query.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated"
        self._is_go_hello = what.text == _GO_HELLO and int(query.get("client_protocol_version") or 0) > _GO_REVISION

    def run(self, session: Session) -> tuple[Answer, str]:
        """The answer and its format; called in a thread of the pool.

        Raises QueryRefused.
        """
        for name in self._settings:
            self._gate.check_setting(name)
        verdict = self._gate.judge(self._what.text)
        self._check(verdict)
        context = Context(
            database=self._database or session.database,
            settings={**session.settings, **self._settings},
            params=self._params,
            is_readonly=self._is_readonly,
        )
        if self._is_go_hello:
            return Answer(_go_hello(self._engine.version, self._engine.timezone), {}), "Native"
        if self._what.head:
            self._gate.check_format(self._what.head.format)
            return self._engine.insert(self._what.head.text, self._what.head.format, self._what.rows, context), ""
        output_format = verdict.output_format or self._format
        self._gate.check_format(output_format)
        answer = self._engine.query(verdict.text, output_format, context)
        session.remember(verdict.database, dict(verdict.settings))
        return answer, output_format

    def _check(self, verdict: Verdict) -> None:
        if self._is_readonly and not verdict.is_read:
            raise QueryRefused(READONLY, "Cannot execute this statement in readonly mode.")
        for name in verdict.identifier_params:
            if not is_plain_name(self._params.get(name, "")):
                raise QueryRefused(ACCESS_DENIED, f"The value of the parameter {name[:80]} is not allowed as a name.")


def _is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith("param_")


def _header_safe(text: str) -> str:
    return "".join(char for char in text[:200] if char.isprintable() and char.isascii())


async def _pong(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def _go_hello(version: str, timezone: str) -> bytes:
    """The answer to clickhouse-go's first query: revision 0, so that it reads every later block as plain Native.

    At its fixed revision a block starts with BlockInfo (8 bytes) and each column has a serialization byte.
    """

    def text(value: str) -> bytes:
        raw = value.encode()
        return bytes([len(raw)]) + raw

    columns = [
        ("displayName()", "String", text("voicemon")),
        ("version()", "String", text(version)),
        ("revision()", "UInt32", struct.pack("<I", 0)),
        ("timezone()", "String", text(timezone)),
    ]
    block = b"\x01\x00\x02\xff\xff\xff\xff\x00" + bytes([len(columns), 1])
    return block + b"".join(text(name) + text(kind) + b"\x00" + value for name, kind, value in columns)
