"""One HTTP request in ClickHouse's protocol: who asks, what, with which settings."""

import binascii
import hmac
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
import zstandard
from aiohttp import web

from app.local.clickhouse_errors import AUTHENTICATION_FAILED, BAD_ARGUMENTS, NOT_IMPLEMENTED, QueryRefused
from app.local.insert_head import InsertHead, find_insert_head

# A block of some bytes can stand for 128 KiB, so the decoder is given little at once.
ZSTD_STEP_BYTES = 1024
# Parameters of the protocol; everything else in the URL is a setting. Source: ClickHouse, HTTPHandler.cpp.
RESERVED = frozenset(
    {"query", "database", "default_format", "session_id", "session_timeout", "session_check", "query_id", "quota_key"}
    | {"compress", "decompress", "enable_http_compression", "client_protocol_version", "wait_end_of_query"}
    | {
        "buffer_size",
        "user",
        "password",
        "role",
        "send_progress_in_http_headers",
        "http_write_exception_in_output_format",
    }
    | {
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
        "close_session",
        "stacktrace",
    }
    | {
        "http_zlib_compression_level",
        "http_native_compression_disable_checksumming_on_decompress",
        "add_http_cors_header",
    }
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password as given."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class User:
    """A user of the endpoint."""

    name: str
    password: str
    is_readonly: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of a request; `rows` follow an INSERT's head."""

    text: str
    head: InsertHead | None = None
    rows: bytes = b""


class BodyTooLarge(Exception):
    """The decoded body is larger than the bound."""


def is_setting(name: str) -> bool:
    """Whether a name in the URL is a setting of the engine."""
    return name not in RESERVED and not name.startswith("param_")


def credentials_of(request: web.Request) -> Credentials:
    """What the request says in its Authorization header, its X-ClickHouse headers or its URL.

    Raises QueryRefused (516) if the Authorization header is not readable.
    """
    header = request.headers.get("Authorization", "")
    if header.startswith("Basic "):
        try:
            user, _, password = b64decode(header[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise QueryRefused(AUTHENTICATION_FAILED, "The Authorization header cannot be read.") from error
        return Credentials(user, password)
    return Credentials(
        request.headers.get("X-ClickHouse-User") or request.query.get("user") or "default",
        request.headers.get("X-ClickHouse-Key") or request.query.get("password") or "",
    )


def authenticate(given: Credentials, users: Mapping[str, User]) -> User:
    """The user behind the credentials.

    Raises QueryRefused (516); takes the same time whether the name or the password is wrong.
    """
    user = users.get(given.user)
    expected = user.password if user else "\x00no such user"
    is_right = hmac.compare_digest(given.password.encode(), expected.encode())
    if user is None or not is_right:
        raise QueryRefused(
            AUTHENTICATION_FAILED,
            f"{given.user[:80]}: Authentication failed: password is incorrect, or there is no user with such name.",
        )
    return user


def decoded_body(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding.

    Raises BodyTooLarge beyond `limit` bytes, QueryRefused for an unknown encoding and for a body that is broken or
    cut off: rows before the cut would be stored as if they were all.
    """
    if encoding in ("", "identity"):
        out = body
    elif decompressor := _DECOMPRESSORS.get(encoding):
        try:
            out = _joined_frames(decompressor, body, limit)
        except (RuntimeError, zstandard.ZstdError, zlib.error) as error:
            raise QueryRefused(BAD_ARGUMENTS, f"The body is not {encoding}: {error}") from error
    else:
        raise QueryRefused(NOT_IMPLEMENTED, f"The content encoding {encoding[:40]} is not known; use lz4 or zstd.")
    if len(out) > limit:
        raise BodyTooLarge
    return out


class _ZstdFrame:
    """One frame of zstd with the interface of the other decompressors."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return self._frame.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """What the data holds; it stops beyond `max_length`, up to some 32 MB later."""
        pieces: list[bytes] = []
        size = 0
        for at in range(0, len(data), ZSTD_STEP_BYTES):
            pieces.append(self._frame.decompress(data[at : at + ZSTD_STEP_BYTES]))
            size += len(pieces[-1])
            if self.eof:
                self.unused_data = self._frame.unused_data + data[at + ZSTD_STEP_BYTES :]
            if self.eof or size > max_length:
                break
        return b"".join(pieces)


_DECOMPRESSORS: Mapping[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": _ZstdFrame,
    "gzip": partial(zlib.decompressobj, wbits=31),
    "deflate": zlib.decompressobj,
}


def _joined_frames(decompressor: Callable[[], Any], body: bytes, limit: int) -> bytes:
    """All frames of a body: clients compress each block of rows by itself.

    Raises RuntimeError if the last one is cut off; gives more than `limit` bytes if there are more.
    """
    pieces: list[bytes] = []
    size = 0
    while body and size <= limit:
        frame = decompressor()
        pieces.append(frame.decompress(body, limit + 1 - size))
        size += len(pieces[-1])
        if size <= limit and not frame.eof:
            raise RuntimeError("its end is missing")
        body = frame.unused_data or b""
    return b"".join(pieces)


async def parameters_of(request: web.Request) -> tuple[Mapping[str, str], bytes]:
    """What the request says in its URL and, as clients send long parameters, in the fields of a form; and its body.

    Raises QueryRefused for a form with files: external tables are not offered here.
    """
    if request.content_type != "multipart/form-data":
        return request.query, await request.read()
    fields = await request.post()
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    if len(texts) < len(fields):
        raise QueryRefused(NOT_IMPLEMENTED, "External tables are not offered here; use a parameter or a table.")
    return {**request.query, **texts}, b""


def statement_of(url_query: str, body: bytes) -> Statement:
    """The statement from URL and body, as ClickHouse joins them.

    Raises QueryRefused (62) if there is none or it is not UTF-8.
    """
    whole = body
    if url_query:
        head = find_insert_head(url_query.encode())
        if head:
            return Statement(head.judged, head, url_query.encode()[head.rows_at :] + body)
        whole = url_query.encode() + (b"\n" + body if body else b"")
    head = find_insert_head(whole)
    if head:
        return Statement(head.judged, head, whole[head.rows_at :])
    try:
        text = whole.decode().strip().rstrip(";").rstrip()
    except UnicodeDecodeError as error:
        raise QueryRefused(62, "The statement is not UTF-8.") from error
    if not text:
        raise QueryRefused(62, "Syntax error: empty query.")
    return Statement(text)


def refuse_native_framing(request: web.Request) -> None:
    """Raises QueryRefused if the request asks for ClickHouse's own block compression."""
    for name in ("compress", "decompress"):
        if request.query.get(name, "0") not in ("0", ""):
            text = f"{name}=1 is not offered here: send Content-Encoding lz4 or zstd instead, or no compression."
            raise QueryRefused(NOT_IMPLEMENTED, text)
