"""Errors of ClickHouse and of the way to it, as sentences that say what to do."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from urllib3.exceptions import HTTPError

from app.runtime.errors import SinkUnavailable, VoicemonError
from app.runtime.settings import ClickHouseSettings

AUTHENTICATION_FAILED = {192, 193, 194, 516}
ACCESS_DENIED = 497
READONLY = 164
# No such table, database or, for a view with parameters, table function.
NOT_MIGRATED = {46, 60, 81}
LONGEST_REASON = 300


class StoreError(VoicemonError):
    """ClickHouse answered, but refused the statement; `code` is its error number, or None."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.needs_operator = code == ACCESS_DENIED or code in NOT_MIGRATED


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
            f"ClickHouse at {settings.url} refuses user {settings.user!r}: set VOICEMON_CLICKHOUSE_USER and "
            "VOICEMON_CLICKHOUSE_PASSWORD or VOICEMON_CLICKHOUSE_PASSWORD_FILE",
            code=str(code),
            needs_operator=True,
        )
    if not isinstance(error, DatabaseError) or code is None:
        return _tls_failure(error, settings) or SinkUnavailable(
            f"ClickHouse at {settings.url} does not answer ({_cause(error)}): "
            "start it with 'voicemon stack up' or set VOICEMON_CLICKHOUSE_URL"
        )
    if code in NOT_MIGRATED:
        return StoreError(
            f"ClickHouse has no complete schema in database {settings.database!r}: run 'voicemon migrate'", code
        )
    if code == ACCESS_DENIED:
        return StoreError(
            f"ClickHouse does not allow user {settings.user!r} a statement ({first_line(error)}): "
            "run 'voicemon migrate' if the schema is not there yet, else grant what is missing",
            code,
        )
    return StoreError(f"ClickHouse refused a statement: {first_line(error)}", code)


def _tls_failure(error: BaseException, settings: ClickHouseSettings) -> SinkUnavailable | None:
    """What is wrong where the two sides could not agree on TLS, else None."""
    failure = next((link for link in _chain(error) if isinstance(link, ssl.SSLError)), None)
    if failure is None:
        return None
    if isinstance(failure, ssl.SSLCertVerificationError):
        text = (
            f"ClickHouse at {settings.url} has a certificate that is not trusted ({failure.verify_message.rstrip('.')})"
            ": set VOICEMON_CLICKHOUSE_TLS_CA_FILE to the certificate of its authority, and use the host name that the "
            "certificate is made for"
        )
    else:
        reason = (failure.reason or str(failure)).replace("_", " ").lower()
        text = (
            f"ClickHouse at {settings.url} does not speak TLS as expected ({reason}): use its HTTPS port, 8443 mostly"
        )
    return SinkUnavailable(text, code="tls", needs_operator=True)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it goes back to."""
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            # Of urllib3's errors the inner one is an argument or the reason of the outer one, not always its cause.
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _cause(error: BaseException) -> str:
    """What the operating system said where an error goes back to that, else the error's own text."""
    for link in _chain(error):
        system = re.search(r"\[Errno -?\d+\] ([^)'\"]+)", str(link))
        if system:
            return system[1].strip()
    return first_line(error)


def first_line(error: BaseException) -> str:
    """The error's text without what the client puts around it, cut where it is long."""
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    text = re.sub(r"^Received ClickHouse exception, code: \d+, server response: | \(for url \S+\)$", "", text)
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
