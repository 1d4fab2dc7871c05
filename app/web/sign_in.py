"""`/sign-in` and `/sign-out`: a browser's token becomes a cookie that scripts cannot read."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import structlog
from aiohttp import web

from app.web.client_address import client_address
from app.web.guard import ACCESS, SIGN_IN, grant_of, scoped, wants_page
from app.web.keys import WORKER
from app.web.pages import render
from app.web.responses import ApiError, json_response, only_parameters

log = structlog.get_logger(__name__)
routes = web.RouteTableDef()

WINDOW_SECONDS: Final = 60.0
MOST_ADDRESSES: Final = 10_000
FORM: Final = "application/x-www-form-urlencoded"
SAME_SITE: Final = "Lax"
"""Not Strict, with which a link in a chat or a mail would lead whoever is signed in to the sign-in; a GET changes
nothing, and a POST of another site is refused before any cookie is looked at."""


class FailedSignIns:
    """Failed sign-ins by address, of the last minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: dict[str, deque[float]] = {}

    def wait_seconds(self, address: str, now: float) -> int:
        """How long the address has to wait, 0 if it may try now."""
        times = self._times.get(address, deque())
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        return 0 if len(times) < self._most else int(times[0] + WINDOW_SECONDS - now) + 1

    def note(self, address: str, now: float) -> bool:
        """One more failed; True if the address has to wait from now on."""
        if address not in self._times and len(self._times) >= MOST_ADDRESSES:
            del self._times[next(iter(self._times))]
        self._times.setdefault(address, deque(maxlen=self._most)).append(now)
        return self.wait_seconds(address, now) > 0


FAILED: web.AppKey[FailedSignIns] = web.AppKey("failed_sign_ins", FailedSignIns)


@routes.get(SIGN_IN)
async def sign_in_page(request: web.Request) -> web.StreamResponse:
    """The form that takes a token."""
    only_parameters(request, "next")
    return render("sign-in.html", {"next": safe_next(request.query.get("next", "")), "problem": ""})


@routes.post(SIGN_IN)
async def sign_in(request: web.Request) -> web.StreamResponse:
    """Take a token, give a cookie, lead on to the page that was asked for."""
    access, failed = request.app[ACCESS], request.app[FAILED]
    address = client_address(request, access.proxies)
    form = await _form(request)
    token, following = str(form.get("token", "")).strip(), safe_next(str(form.get("next", "")))
    seconds = failed.wait_seconds(address, time.monotonic())
    if seconds:
        return _refused(request, following, 429, f"too many failed sign-ins: try again in {seconds} s", seconds)
    grant = access.tokens.find(token) if access.tokens else None
    if grant is None:
        if failed.note(address, time.monotonic()):
            log.warning("Too many failed sign-ins from an address, which has to wait now", address=address)
        return _refused(request, following, 401, "this access token is not known: copy it whole, or ask for a new one")
    answer = web.Response(status=303, headers={"Location": following})
    sessions = access.sessions
    answer.set_cookie(
        access.cookie,
        sessions.issue(grant, request.app[WORKER].now_ms()),
        max_age=sessions.seconds,
        httponly=True,
        samesite=SAME_SITE,
        secure=access.settings.secure_cookie,
        path="/",
    )
    return answer


@routes.post("/sign-out")
@scoped
async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the sign-in of this browser."""
    access = request.app[ACCESS]
    access.sessions.revoke(request.cookies.get(access.cookie, ""), request.app[WORKER].now_ms())
    answer = web.Response(status=303, headers={"Location": SIGN_IN})
    answer.del_cookie(access.cookie, path="/", secure=access.settings.secure_cookie, httponly=True, samesite=SAME_SITE)
    return answer


@routes.get("/api/v1/session")
@scoped
async def session(request: web.Request) -> web.Response:
    """Who asks, and what that one may see."""
    only_parameters(request)
    grant = grant_of(request)
    if grant is None:
        raise ApiError(401, "unauthorized", "this needs an access token")
    scope = "staff" if grant.organization_id is None else "organization"
    own = {} if grant.organization_id is None else {"organizationId": grant.organization_id}
    is_signed_in = request.app[ACCESS].cookie in request.cookies and bool(request.app[ACCESS].tokens)
    return json_response({"name": grant.name, "scope": scope, **own, "canSignOut": is_signed_in})


def safe_next(path: str) -> str:
    """The path on this worker to go on to; the live page for everything that leads elsewhere."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_ours else "/"


async def _form(request: web.Request) -> Mapping[str, object]:
    """The fields of a form. Raises ApiError 400 for what is none."""
    if request.can_read_body and request.content_type != FORM:
        raise ApiError(400, "bad_form", f"send the fields token and next as {FORM}")
    try:
        return await request.post()
    except (ValueError, LookupError) as error:
        raise ApiError(400, "bad_form", "the fields of this form cannot be read") from error


def _refused(request: web.Request, following: str, status: int, problem: str, wait: int = 0) -> web.StreamResponse:
    if not wants_page(request):
        code = "unauthorized" if status == 401 else "too_many_requests"
        raise ApiError(status, code, problem, retry_seconds=wait)
    answer = render("sign-in.html", {"next": following, "problem": problem}, status=status)
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer
