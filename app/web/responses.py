"""Answers in the one shape that clients rely on."""

from collections.abc import Mapping
from typing import Final

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

log = structlog.get_logger(__name__)

CODES: Final = {
    404: ("not_found", "there is nothing at this address"),
    413: ("too_large", "the request is larger than this worker takes"),
}


class ApiError(Exception):
    """An answer other than success: HTTP status, a code for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, *, retry_seconds: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_seconds = status, code, message, retry_seconds


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer that no cache keeps."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_response(status: int, code: str, message: str, retry_seconds: int = 0) -> web.Response:
    """`{"error": {"code", "message"}}`; 503 and 429 say when to ask again, 401 how."""
    headers = {}
    if status == web.HTTPServiceUnavailable.status_code or retry_seconds:
        headers["Retry-After"] = str(retry_seconds or 1)
    if status == web.HTTPUnauthorized.status_code:
        headers["WWW-Authenticate"] = 'Bearer realm="voicemon"'
    return json_response({"error": {"code": code, "message": message}}, status, headers)


@web.middleware
async def one_error_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into the one JSON error shape."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error.status, error.code, error.message, error.retry_seconds)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        response = error_response(405, "method_not_allowed", f"{request.method} is not allowed here, only {allowed}")
        response.headers["Allow"] = allowed
        return response
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        code, message = CODES.get(error.status, ("bad_request", error.reason))
        return error_response(error.status, code, message)
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            # Whoever asked has left in the middle of the question.
            return error_response(400, "bad_request", "the request breaks off")
        log.exception("A view failed", path=request.path)
        return error_response(500, "internal", "the worker made a mistake: its log says more")


def only_parameters(request: web.Request, *allowed: str) -> None:
    """Refuse parameters that the view does not know or that come twice: a typo must not look like an answer."""
    for name in request.query:
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            raise ApiError(400, "unknown_parameter", f"unknown parameter {name!r}; known here: {known}")
        if len(request.query.getall(name)) > 1:
            raise ApiError(400, "repeated_parameter", f"parameter {name!r} is given more than once")


def optional_text(request: web.Request, name: str) -> str | None:
    """A parameter's value, None if absent; an empty one is refused."""
    value = request.query.get(name)
    if value == "":
        raise ApiError(400, "invalid_parameter", f"parameter {name!r} is empty; leave it out for all")
    return value
