"""Connections to ClickHouse over HTTP or HTTPS."""

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httputil import get_pool_manager

from app.runtime.compilers import COMPILERS
from app.runtime.errors import VoicemonError
from app.runtime.loopback import is_loopback
from app.runtime.passwords import current_password, masked_url, read_setting_file
from app.runtime.settings import ClickHouseSettings
from sinks.clickhouse.explain import StoreError, clear_errors, explain

__all__ = ["StoreError", "clear_errors", "connect", "connect_for_questions", "explain"]

CONNECT_TIMEOUT_SECONDS = 5
DEFAULT_PORTS = {"http": 8123, "https": 8443}
# They warn about every failed attempt, which is raised as an error anyway.
QUIET_LOGGERS = ("urllib3.connectionpool", "clickhouse_connect")
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
OFF = ("0", "false", "")
DURABLE_INSERT = {
    # The default of ClickHouse 26 gathers small inserts of many clients, and answers before rows are durable.
    "async_insert": "0",
    # ClickHouse notes an insert as done before it moves the part into place: killed between the two, it would take the
    # retry for a copy and drop its rows without a word.
    "insert_deduplicate": "0",
}
"""Settings of every insert: an answer means that the rows are there."""
TOO_MUCH_FOR_SHORT_QUESTIONS = (
    *COMPILERS,
    # With a filter out of a join ClickHouse does not remember which pieces of a table hold nothing of a condition.
    "enable_join_runtime_filters",
)
"""Settings of ClickHouse that speed up long statements only."""


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str
    port: int
    path: str


def connect(settings: ClickHouseSettings) -> Client:
    """A client whose statements run in the configured database; use each client in one thread only.

    The database need not exist yet. Statements carry no session, so that no two wait for each other.
    Raises SinkUnavailable if ClickHouse does not answer, is not trusted or refuses the user, VoicemonError if the
    settings cannot work.
    """
    address = _address(settings.url)
    password = current_password(settings.password, settings.password_file, "VOICEMON_CLICKHOUSE_PASSWORD_FILE")
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with clear_errors(settings):
        client = clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            interface=address.scheme,
            proxy_path=address.path,
            username=settings.user,
            password=password,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            send_receive_timeout=max(1, round(settings.request_timeout_seconds)),
            autogenerate_session_id=False,
            client_name="voicemon",
            compress={"auto": True, "none": False}.get(settings.compression, settings.compression),
            settings=dict(cluster_settings(settings)),
            **_pool(settings, address),
        )
    _refuse_async_inserts(client)
    keep_repeated_rows(client)
    client.database = settings.database
    return client


def connect_for_questions(settings: ClickHouseSettings) -> Client:
    """A client as `connect` makes it, without what helps long statements only.

    Where the user's profile decides that, or an older server does not know it, it is left as it is.
    """
    client = connect(settings)
    for name in TOO_MUCH_FOR_SHORT_QUESTIONS:
        known = client.server_settings.get(name)
        if known is not None and not known.readonly:
            client.set_client_setting(name, "0")
    return client


def keep_repeated_rows(client: Client) -> None:
    """No insert of the client is dropped because the same rows were inserted before.

    Newer servers have a setting that overrules `insert_deduplicate`, older ones do not know it.
    """
    known = client.server_settings.get("deduplicate_insert")
    if known is not None and not known.readonly:
        client.set_client_setting("deduplicate_insert", "disable")


def insert_codec(settings: ClickHouseSettings) -> str | None:
    """How rows are compressed on their way to the server; None for not at all."""
    if settings.compression == "auto":
        return None if _address(settings.url).host in THIS_MACHINE else "zstd"
    return None if settings.compression == "none" else settings.compression


def cluster_settings(settings: ClickHouseSettings) -> Mapping[str, str]:
    """What every statement carries: nothing for a single server.

    In a cluster a subquery is answered by the shard that asks it: all rows of an artifact are on one shard.
    """
    return {"distributed_product_mode": "local"} if settings.cluster else {}


def _pool(settings: ClickHouseSettings, address: _Address) -> dict[str, Any]:
    ca_file = settings.tls_ca_file if address.scheme == "https" else None
    if ca_file is not None:
        read_setting_file(ca_file, "VOICEMON_CLICKHOUSE_TLS_CA_FILE")
        try:
            ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError as error:
            raise VoicemonError(
                f"VOICEMON_CLICKHOUSE_TLS_CA_FILE names {ca_file}, which holds no certificate: it must be a PEM file"
            ) from error
    ca_cert = None if ca_file is None else str(ca_file)
    if is_loopback(address.host):
        # The library would take a proxy from the environment, which cannot reach our loopback.
        return {"pool_mgr": get_pool_manager(ca_cert=ca_cert)}
    return {"dedicated_pool": True, "ca_cert": ca_cert}


def _refuse_async_inserts(client: Client) -> None:
    """Raises VoicemonError if the server forces them: it would acknowledge rows before they are durable."""
    forced = client.server_settings.get("async_insert")
    if forced is not None and forced.readonly and forced.value.lower() not in OFF:
        client.close()
        raise VoicemonError(
            "ClickHouse forces async_insert=1 on this user, which acknowledges rows before they are stored: "
            "let the user's settings profile allow async_insert=0"
        )


def _address(text: str) -> _Address:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _no_url(text) from None
    if url.username is not None or url.password is not None:
        # The address appears in messages and pages.
        raise VoicemonError(
            "VOICEMON_CLICKHOUSE_URL holds a user or password: put them into VOICEMON_CLICKHOUSE_USER and "
            "VOICEMON_CLICKHOUSE_PASSWORD_FILE"
        )
    _refuse_parameters(url.query)
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise _no_url(text)
    return _Address(url.scheme, url.hostname, port or DEFAULT_PORTS[url.scheme], url.path.strip("/"))


def _no_url(text: str) -> VoicemonError:
    return VoicemonError(f"VOICEMON_CLICKHOUSE_URL is {masked_url(text)!r}: use a URL like http://127.0.0.1:8123")


def _refuse_parameters(query: str) -> None:
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if parameters.get("async_insert", "0").lower() not in OFF:
        raise VoicemonError(
            "VOICEMON_CLICKHOUSE_URL turns async_insert on, which acknowledges rows before they are stored: remove it"
        )
    if query:
        raise VoicemonError(
            f"VOICEMON_CLICKHOUSE_URL has parameters ({', '.join(parameters) or 'unreadable'}): remove them and put "
            "settings into the user's profile on the server"
        )
