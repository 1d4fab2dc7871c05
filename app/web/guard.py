"""The one gate before every route: host names, tokens, sign-ins, foreign origins, and what an organisation may ask."""

import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from app.runtime.errors import VoicemonError
from app.runtime.loopback import is_loopback
from app.runtime.settings import WebSettings
from app.web.client_address import trusted_networks
from app.web.keys import WORKER
from app.web.responses import ApiError
from app.web.sessions import Sessions
from app.web.tokens import LOCAL, Grant, Tokens, configured_tokens

SIGN_IN: Final = "/sign-in"
OPEN_PREFIXES: Final = (SIGN_IN, "/static/")
HEALTH: Final = ("/health/live", "/health/ready")
METRICS: Final = "/metrics"
FOR_PROGRAMS: Final = ("/api/", "/health/", METRICS, "/openapi.json")
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_GRANT: Final[web.RequestKey[Grant | None]] = web.RequestKey("grant", object)  # type: ignore[arg-type]
_scoped: set[object] = set()
_HOST_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)

View = TypeVar("View", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])


class Access:
    """Who may ask this worker: its tokens, sign-ins and host names."""

    def __init__(self, settings: WebSettings) -> None:
        """Raises VoicemonError for settings that cannot work, and for an open address without a token."""
        self.settings = settings
        self.tokens: Tokens = configured_tokens(settings)
        self.sessions = Sessions(self.tokens, settings)
        self.cookie = "__Host-voicemon" if settings.secure_cookie else "voicemon_session"
        self._hosts = {"localhost", settings.host.lower(), *allowed_hosts(settings)}
        self.proxies = trusted_networks(settings.trusted_proxies)
        refuse_open_address(settings, self.tokens)

    def knows_host(self, text: str) -> bool:
        """True for a name of this worker, and for any IP address: those no foreign name server can point at us."""
        try:
            host = urlsplit(f"//{text}").hostname or ""
        except ValueError:
            return False
        return host in self._hosts or _is_address(host)

    def grant_of(self, request: web.Request) -> Grant | None:
        """What the request's token or sign-in allows, None without one that is known."""
        if not self.tokens:
            return LOCAL
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.tokens.find(token.strip())
        cookie = request.cookies.get(self.cookie)
        return self.sessions.find(cookie, request.app[WORKER].now_ms()) if cookie else None

    def is_open(self, path: str) -> bool:
        """True if a path needs no token."""
        return (
            path.startswith(OPEN_PREFIXES)
            or (self.settings.open_health and path in HEALTH)
            or (self.settings.open_metrics and path == METRICS)
        )


ACCESS: web.AppKey[Access] = web.AppKey("access", Access)


def refuse_open_address(settings: WebSettings, tokens: Tokens) -> None:
    """Raises VoicemonError if strangers could reach the worker and no token is needed."""
    if not tokens and not is_loopback(settings.host):
        raise VoicemonError(
            f"the worker listens on {settings.host or 'every address'} only with an access token: make one with "
            "'voicemon token new NAME' and set VOICEMON_WEB_TOKENS_FILE, or set VOICEMON_WEB_HOST=127.0.0.1"
        )


def allowed_hosts(settings: WebSettings) -> set[str]:
    """Host names of the settings, in small letters. Raises VoicemonError for what is more or less than a name."""
    names = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    for name in sorted(names):
        if not _HOST_NAME.fullmatch(name):
            raise VoicemonError(
                f"VOICEMON_WEB_ALLOWED_HOSTS holds {name!r}: write names alone, without https://, port and path"
            )
    return names


def scoped(view: View) -> View:
    """Mark a view that gives an organisation its own figures only; all others are for staff."""
    _scoped.add(view)
    return view


def grant_of(request: web.Request) -> Grant | None:
    """Who asks; None on an open path without a token."""
    return request.get(_GRANT)


def asked_by_staff(request: web.Request) -> bool:
    """True if the one who asks may see everything."""
    grant = grant_of(request)
    return grant is not None and grant.organization_id is None


def grant_still_holds(request: web.Request) -> bool:
    """False once a sign-in has ended while its answer goes on."""
    return request.app[ACCESS].grant_of(request) == request.get(_GRANT)


def scope_of(request: web.Request, wanted: str | None) -> str | None:
    """The organisation to be shown, None for all. Raises ApiError 403 if that is not for the one who asks."""
    grant = grant_of(request)
    if grant is None:
        raise ApiError(401, "unauthorized", "this needs an access token")
    if grant.organization_id is None:
        return wanted
    if wanted not in {None, grant.organization_id}:
        raise ApiError(403, "forbidden", f"this token sees organisation {grant.organization_id!r} only")
    return grant.organization_id


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through if its host, its origin and its token allow it."""
    access = request.app[ACCESS]
    if not access.knows_host(request.headers.get("Host", "")):
        raise ApiError(
            421, "unknown_host", "this worker is not known under that host name: set VOICEMON_WEB_ALLOWED_HOSTS"
        )
    _refuse_foreign_origin(request)
    grant = access.grant_of(request)
    request[_GRANT] = grant
    is_open = access.is_open(request.path)
    if grant is None and not is_open:
        return _ask_for_token(request)
    is_limited = grant is not None and grant.organization_id is not None
    if is_limited and not is_open and request.match_info.http_exception is None:
        view = request.match_info.handler
        if view not in _scoped:
            raise ApiError(403, "forbidden", "this is for staff: the token sees one organisation only")
    return await handler(request)


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers that keep browsers from doing anything else with it."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.popall("Server", None)


def wants_page(request: web.Request) -> bool:
    """True if a person with a browser asks."""
    return "text/html" in request.headers.get("Accept", "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refuse_foreign_origin(request: web.Request) -> None:
    """Raises ApiError 403 for a request that changes something and comes from another site's page."""
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_foreign = site not in {None, "same-origin", "none"}
    if origin is not None:
        is_foreign = is_foreign or urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower()
    if is_foreign:
        raise ApiError(403, "foreign_origin", "a page of another site may not send this")


def _ask_for_token(request: web.Request) -> web.StreamResponse:
    is_page = wants_page(request) and request.method in SAFE_METHODS and not request.path.startswith(FOR_PROGRAMS)
    if is_page:
        raise web.HTTPSeeOther(f"{SIGN_IN}?next={quote(request.rel_url.raw_path_qs, safe='')}")
    raise ApiError(401, "unauthorized", "this needs an access token: send it as 'Authorization: Bearer TOKEN'")
