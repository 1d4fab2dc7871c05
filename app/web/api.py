"""`/api/v1/…`: a route for every question of the catalogue."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import msgspec
import zstandard
from aiohttp import web
from aiohttp.typedefs import Handler
from clickhouse_connect.driver.client import Client

from app.queries.errors import InvalidParameter
from app.queries.parameters import parse_values
from app.queries.query import Query
from app.web.guard import scope_of, scoped
from app.web.keys import WORKER
from app.web.questions import QUESTIONS
from app.web.responses import ApiError

ORGANIZATION: Final = "organizationId"
SMALLEST_COMPRESSED: Final = 1024
FASTEST: Final = 1
GZIP_FORM: Final = 31
CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {
        "zstd": lambda body: zstandard.ZstdCompressor(level=FASTEST).compress(body),
        "gzip": lambda body: zlib.compress(body, FASTEST, GZIP_FORM),
    }
)
"""How answers are compressed, the best first: two days of minutes take 2 ms by zstd, 8 by gzip, 27 at its usual
level."""
NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})
# An id may hold what aiohttp leaves out of a segment as a rule: braces.
PLACE: Final = re.compile(r"\{(\w+)\}")
REFUSED: Final = re.compile(r"q=0(\.0*)?")
VARY: Final = "Accept-Encoding, Authorization, Cookie"


Parsed = TypeVar("Parsed", bound=msgspec.Struct)


class Made(NamedTuple):
    """An answer's body as it is sent, in that coding if any, and the tag of what it says."""

    body: bytes
    tag: str
    coding: str


def catalogue_routes(catalogue: Sequence[Query]) -> Iterator[web.RouteDef]:
    """A GET route for each question; those without an id come first, so that no id is taken for one of them."""
    for query in sorted(catalogue, key=lambda query: "{" in query.path):
        yield web.get(PLACE.sub(r"{\1:[^/]+}", query.path), _view(query, _sibling(query, catalogue)))


def _view(query: Query, sibling: Query | None) -> Handler:
    @scoped
    async def view(request: web.Request) -> web.StreamResponse:
        if sibling is not None and request.rel_url.raw_path != query.path:
            # An id that reads like the name of a list: it came percent-encoded, the list's name never does.
            place, name = sibling.path.rpartition("/")[2].strip("{}"), query.path.rpartition("/")[2]
            return await answer(request, sibling, {place: name})
        return await answer(request, query, request.match_info)

    return view


def _sibling(query: Query, catalogue: Sequence[Query]) -> Query | None:
    """The question about one thing at whose place this one's name stands, as `active` stands at that of an id."""
    folder = query.path.rpartition("/")[0]
    for other in catalogue:
        place, _, last = other.path.rpartition("/")
        if place == folder and last.startswith("{") and "{" not in query.path:
            return other
    return None


async def answer(
    request: web.Request, query: Query, places: "dict[str, str] | web.UrlMappingMatchInfo"
) -> web.Response:
    """The answer to a question, with what a client needs to ask for it again cheaply."""
    parameters = parse(request, query.parameters, dict(places))
    now_ms = request.app[WORKER].now_ms()
    asked = partial(_answered, query, parameters, now_ms, coding=coding_of(request))
    return cacheable(request, await request.app[QUESTIONS].ask(asked))


def parse(
    request: web.Request, kind: type[Parsed], places: Mapping[str, str] = NOWHERE, *, from_form: bool = False
) -> Parsed:
    """The parameters, in the scope of the one who asks. Raises ApiError 400 or 403.

    `places` come from the path. A form sends its empty fields, too: they mean all.
    """
    raw = {name: request.query.getall(name) for name in request.query}
    if from_form:
        raw = {name: texts for name, texts in raw.items() if texts != [""]}
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for name in places.keys() & raw.keys():
        raise ApiError(400, "repeated_parameter", f"parameter {name!r} stands in the path")
    for one in raw.get(ORGANIZATION, ()):
        scope_of(request, one)
    own = scope_of(request, None)
    if own is not None and ORGANIZATION in known:
        raw[ORGANIZATION] = [own]
    try:
        return parse_values(kind, {**raw, **{name: [text] for name, text in places.items()}})
    except InvalidParameter as error:
        code = "invalid_parameter" if error.field in known else "unknown_parameter"
        raise ApiError(400, code, str(error)) from error


def coding_of(request: web.Request) -> str:
    """How to compress an answer for the client: the best way that it takes, '' for not at all."""
    offers = (offer.partition(";") for offer in request.headers.get("Accept-Encoding", "").lower().split(","))
    taken = {name.strip() for name, _, quality in offers if not REFUSED.fullmatch(quality.strip())}
    return next((coding for coding in CODINGS if coding in taken), "")


def made(body: bytes, *, coding: str) -> Made:
    """What is sent of a body; work for a question's own thread, as it takes milliseconds for large ones."""
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    if coding and len(body) >= SMALLEST_COMPRESSED:
        return Made(CODINGS[coding](body), tag, coding)
    return Made(body, tag, "")


def cacheable(request: web.Request, sent: Made, content_type: str = "application/json") -> web.Response:
    """An answer with its tag, or 304 if the client has it already."""
    headers = {"Cache-Control": "private, no-cache", "Vary": VARY}
    if any(known.value in {sent.tag, "*"} for known in request.if_none_match or ()):
        found = web.Response(status=304, headers=headers)
    else:
        found = web.Response(body=sent.body, content_type=content_type, headers=headers)
        if sent.coding:
            found.headers["Content-Encoding"] = sent.coding
    found.headers["ETag"] = f'W/"{sent.tag}"'
    return found


def _answered(query: Query, parameters: msgspec.Struct, now_ms: int, client: Client, *, coding: str) -> Made:
    return made(msgspec.json.encode(query.run(client, parameters, now_ms)), coding=coding)
