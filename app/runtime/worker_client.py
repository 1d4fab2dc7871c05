"""Asks a worker's web views over HTTP."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from app.runtime.errors import VoicemonError

ANSWER_SECONDS = 5.0


class WorkerUnavailable(VoicemonError):
    """The worker does not answer, or says that its figures are not complete yet: try again.

    `reason` is the worker's own, empty if it did not answer.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class WorkerClient:
    """A client of one worker; never through a proxy of the environment, which could not reach our loopback.

    `option` names the address in the user's command, `token` is an access token. Raises VoicemonError if `url` is none.
    """

    def __init__(self, url: str, seconds: float = ANSWER_SECONDS, *, option: str = "--url", token: str = "") -> None:
        if not _is_web_address(url):
            raise VoicemonError(f"{url!r} is no address of a worker: use a URL like http://127.0.0.1:6066")
        self.url = url.rstrip("/")
        self._option = option
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._pool = urllib3.PoolManager(retries=False, timeout=seconds, headers=headers)

    def json(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer of a JSON view.

        Raises WorkerUnavailable without an answer or at 503, VoicemonError with the worker's words otherwise.
        """
        return self._object(self._ask("GET", path, parameters))

    def post(self, path: str) -> dict[str, Any]:
        """The answer to a request that changes something; raises as `json`."""
        return self._object(self._ask("POST", path, None))

    def _object(self, body: bytes) -> dict[str, Any]:
        answer: Any = None
        with suppress(orjson.JSONDecodeError):
            answer = orjson.loads(body)
        if not isinstance(answer, dict):
            raise VoicemonError(f"what answers at {self.url} is no worker: name the worker's address")
        return answer

    def text(self, path: str) -> str:
        """The answer of a text view; raises as `json`."""
        return self._ask("GET", path, None).decode()

    def _ask(self, method: str, path: str, parameters: Mapping[str, str] | None) -> bytes:
        try:
            answer = self._pool.request(method, self.url + path, fields=parameters)
        except HTTPError as error:
            raise WorkerUnavailable(
                f"no worker answers at {self.url}: "
                f"start one with 'voicemon worker' or name its address with {self._option}"
            ) from error
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            reason = _reason(answer.data)
            raise WorkerUnavailable(f"the worker at {self.url} cannot answer yet: {reason}; try again soon", reason)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise VoicemonError(f"the worker at {self.url} wants an access token: set VOICEMON_WEB_CLIENT_TOKEN")
        if answer.status != HTTPStatus.OK:
            raise VoicemonError(f"the worker at {self.url} refuses the question: {_reason(answer.data)}")
        return answer.data


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _reason(body: bytes) -> str:
    """The sentence of the one JSON error shape, or the reasons of `/health/ready`."""
    try:
        answer = orjson.loads(body)
        return "; ".join(answer["reasons"]) if "reasons" in answer else str(answer["error"]["message"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return "it does not say why"
