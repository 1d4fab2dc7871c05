"""An HTTP server that speaks just enough ClickHouse for the client to connect, and then fails as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import BasicAuth, web

from app.runtime.settings import ClickHouseSettings

SETTINGS = (
    "async_insert",
    "compile_expressions",
    "distributed_foreground_insert",
    "distributed_product_mode",
    "input_format_column_name_matching_mode",
    "input_format_skip_unknown_fields",
    "insert_deduplicate",
)


@dataclass(frozen=True)
class Insert:
    """One request for an insert: its URL parameters, headers and the lines of its body."""

    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[bytes]:
        return self.body.split(b"\n")


@dataclass(frozen=True)
class Refusal:
    """An error as ClickHouse sends it; without a code, as a web server in front of it does."""

    code: int | None
    text: str = "it failed"
    status: int = 500

    def response(self) -> web.Response:
        if self.code is None:
            return web.Response(status=self.status, text=f"<h1>{self.text}</h1>")
        return web.Response(
            status=self.status,
            headers={"X-ClickHouse-Exception-Code": str(self.code)},
            text=f"Code: {self.code}. DB::Exception: {self.text}. (SOME_ERROR) (version 26.9.2.1)\n",
        )


Answer = Callable[[Insert], Refusal | None]
Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class StoreStub:
    """What inserts get: `answer` decides by the insert, `behaviour` replaces HTTP itself."""

    settings: ClickHouseSettings = field(default_factory=ClickHouseSettings)
    answer: Answer = lambda _: None
    behaviour: Behaviour | None = None
    at_connect: Refusal | None = None
    forced: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    passwords: list[str] = field(default_factory=list)
    inserts: list[Insert] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.passwords.append(BasicAuth.decode(request.headers["Authorization"]).password)
        query = request.query.get("query", "")
        if not query.startswith("INSERT") and not body.startswith(b"INSERT"):
            self.queries.append(dict(request.query))
            return self.at_connect.response() if self.at_connect else _hello(query.encode() + body, self)
        if self.behaviour is not None:
            return await self.behaviour(request)
        insert = Insert(dict(request.query), dict(request.headers), body.removeprefix(_statement(body)))
        self.inserts.append(insert)
        refusal = self.answer(insert)
        return refusal.response() if refusal else web.Response()


@asynccontextmanager
async def running_stub(
    host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, **settings: object
) -> AsyncIterator[StoreStub]:
    stub = StoreStub()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/", stub.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        stub.settings = ClickHouseSettings(url=f"{scheme}://{host}:{runner.addresses[0][1]}", **settings)
        yield stub
    finally:
        await runner.cleanup()


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _statement(body: bytes) -> bytes:
    return body[: body.index(b"\n") + 1] if body.startswith(b"INSERT") else b""


def _hello(statement: bytes, stub: StoreStub) -> web.Response:
    if b"version()" in statement:
        return web.Response(body=b"26.9.2.1\tUTC\n", headers={"X-ClickHouse-Format": "TSV"})
    if b"system.settings" in statement:
        names = tuple(name for name in SETTINGS if name not in stub.unknown)
        values = tuple(stub.forced.get(name, "") for name in names)
        readonly = [int(name in stub.forced) for name in names]
        return web.Response(body=_native({"name": names, "value": values}, readonly))
    return web.Response(body=b"")


def _native(columns: dict[str, tuple[str, ...]], readonly: list[int]) -> bytes:
    """A block of ClickHouse's Native format with text columns, and `readonly`."""
    rows = len(next(iter(columns.values())))
    block = bytes([len(columns) + 1, rows])
    for name, values in columns.items():
        block += _text(name) + _text("String") + b"".join(_text(value) for value in values)
    return block + _text("readonly") + _text("UInt8") + bytes(readonly)


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()
