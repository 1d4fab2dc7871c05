"""Connections to ClickHouse over HTTP, and its errors as sentences."""

import ipaddress
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import HTTPError

from app.runtime.errors import SinkUnavailable, VoicemonError
from app.runtime.settings import ClickHouseSettings

CONNECT_TIMEOUT_SECONDS = 5
AUTHENTICATION_FAILED = {192, 193, 194, 516}
ACCESS_DENIED = 497
# No such table, database or, for a view with parameters, table function.
NOT_MIGRATED = {46, 60, 81}
LONGEST_REASON = 300
DEFAULT_PORTS = {"http": 8123, "https": 8443}
# They warn about every failed attempt, which is raised as an error anyway.
QUIET_LOGGERS = ("urllib3.connectionpool", "clickhouse_connect")


class StoreError(VoicemonError):
    """ClickHouse answered, but refused the statement; `code` is its error number, or None."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def connect(settings: ClickHouseSettings) -> Client:
    """A client whose statements run in the configured database; use each client in one thread only.

    The database need not exist yet. Statements carry no session, so that no two wait for each other.
    Raises SinkUnavailable if ClickHouse does not answer or refuses the user, VoicemonError if the URL is none.
    """
    scheme, host, port = _address(settings.url)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with clear_errors(settings):
        client = clickhouse_connect.get_client(
            host=host,
            port=port,
            interface=scheme,
            username=settings.user,
            password=settings.password.get_secret_value(),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            send_receive_timeout=max(1, round(settings.request_timeout_seconds)),
            autogenerate_session_id=False,
            client_name="voicemon",
            # The library would take a proxy from the environment, which cannot reach our loopback.
            **({"pool_mgr": get_pool_manager()} if _is_loopback(host) else {"dedicated_pool": True}),
        )
    client.database = settings.database
    return client


@contextmanager
def clear_errors(settings: ClickHouseSettings) -> Iterator[None]:
    """Turn what the library raises into SinkUnavailable (no answer, user refused) or StoreError, one sentence each."""
    try:
        yield
    except (ClickHouseError, HTTPError, OSError) as error:
        raise explain(error, settings) from error


def explain(error: Exception, settings: ClickHouseSettings) -> VoicemonError:
    """The error as one sentence that says what to do."""
    code = getattr(error, "code", None)
    if code in AUTHENTICATION_FAILED:
        return SinkUnavailable(
            f"ClickHouse at {settings.url} refuses user {settings.user!r}: "
            "set VOICEMON_CLICKHOUSE_USER and VOICEMON_CLICKHOUSE_PASSWORD"
        )
    if not isinstance(error, DatabaseError) or code is None:
        return SinkUnavailable(
            f"ClickHouse at {settings.url} does not answer ({_cause(error)}): "
            "start it with 'voicemon stack up' or set VOICEMON_CLICKHOUSE_URL"
        )
    if code in NOT_MIGRATED:
        return StoreError(
            f"ClickHouse has no complete schema in database {settings.database!r}: run 'voicemon migrate'", code
        )
    if code == ACCESS_DENIED:
        return StoreError(
            f"ClickHouse does not allow user {settings.user!r} a statement ({_first_line(error)}): "
            "run 'voicemon migrate' if the schema is not there yet, else grant what is missing",
            code,
        )
    return StoreError(f"ClickHouse refused a statement: {_first_line(error)}", code)


def _address(text: str) -> tuple[str, str, int]:
    try:
        url = urlsplit(text)
        if url.scheme in DEFAULT_PORTS and url.hostname:
            return url.scheme, url.hostname, url.port or DEFAULT_PORTS[url.scheme]
    except ValueError:
        pass
    raise VoicemonError(f"VOICEMON_CLICKHOUSE_URL is {text!r}: use a URL like http://127.0.0.1:8123")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cause(error: BaseException) -> str:
    """What the operating system said where an error goes back to that, else the error's own text."""
    link: BaseException | None = error
    while link is not None:
        # Of urllib3's errors the inner one is the argument of the outer one, not always its cause.
        system = re.search(r"\[Errno -?\d+\] ([^)'\"]+)", str(link))
        if system:
            return system[1].strip()
        link = link.__cause__ or link.__context__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    text = re.sub(r"^Received ClickHouse exception, code: \d+, server response: | \(for url \S+\)$", "", text)
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
