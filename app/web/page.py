"""`/` and `/static/`: the live page, one document for all its views, and the files that it loads."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import ETag, web

routes = web.RouteTableDef()

CONTENT_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# No script or style but our own files, no other host, and no text that could turn into markup.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
REVALIDATE: Final = "no-cache"
FOR_EVER: Final = "public, max-age=31536000, immutable"
PAGE: Final = "index.html"
VIEWS: Final = ("overview", "artifacts", "artifact", "metrics", "events", "pipeline", "stage")
"""As in `js/address.js`."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page with what a browser has to know of it; `packed` is its body by gzip."""

    body: bytes
    packed: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The document, and the files by path below `/static/`; `version` changes with any of them."""

    page: StaticFile
    by_path: Mapping[str, StaticFile]
    version: str


@routes.get("/")
@routes.get(f"/view/{{view:{'|'.join(VIEWS)}}}")
async def page(request: web.Request) -> web.StreamResponse:
    """The live page; which view it shows is read from its address by the page itself."""
    return _answer(request, page_files().page, REVALIDATE)


@routes.get("/static/{version:[0-9a-f]{16}}/{path:.+}")
async def static_file(request: web.Request) -> web.StreamResponse:
    """A file of the page.

    An address of this version never changes its content. During an upgrade a page of one worker may ask another one,
    of another version: it gets the file as it is here, for once.
    """
    known = page_files()
    found = known.by_path.get(request.match_info["path"])
    if found is None:
        raise web.HTTPNotFound
    is_ours = request.match_info["version"] == known.version
    return _answer(request, found, FOR_EVER if is_ours else REVALIDATE)


def _answer(request: web.Request, file: StaticFile, cache_control: str) -> web.StreamResponse:
    headers = {**PAGE_HEADERS, "Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    wanted = request.if_none_match or ()
    if any(tag.value in (file.etag, "*") for tag in wanted):
        answer = web.Response(status=304, headers=headers)
    else:
        is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
        body = file.packed if is_packed else file.body
        answer = web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)
        if is_packed:
            answer.headers["Content-Encoding"] = "gzip"
    answer.etag = ETag(file.etag, is_weak=True)
    return answer


@cache
def page_files() -> PageFiles:
    """Everything that the page needs, read from the installed package once."""
    root = files("app.web") / "static"
    found = {path: _read(node) for path, node in _walk(root)}
    version = hashlib.sha256(b"".join(f"{path}\n{file.etag}\n".encode() for path, file in found.items())).hexdigest()[
        :16
    ]
    base = found.pop(PAGE)
    modules = "".join(
        f'<link rel="modulepreload" href="/static/{path}">\n'
        for path in found
        if path.startswith("js/") and path not in ("js/main.js", "js/theme-first.js")
    )
    text = base.body.decode().replace("</head>", f"{modules}</head>").replace("/static/", f"/static/{version}/")
    return PageFiles(_file(text.encode(), base.content_type), found, version)


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    """Files below a folder by path, in a fixed order."""
    found: list[tuple[str, Traversable]] = []
    for node in sorted(folder.iterdir(), key=lambda node: node.name):
        path = f"{prefix}{node.name}"
        found += _walk(node, f"{path}/") if node.is_dir() else [(path, node)]
    return found


def _read(node: Traversable) -> StaticFile:
    return _file(node.read_bytes(), CONTENT_TYPES["." + node.name.rpartition(".")[2]])


def _file(body: bytes, content_type: str) -> StaticFile:
    return StaticFile(body, gzip.compress(body, mtime=0), content_type, hashlib.sha256(body).hexdigest()[:32])
