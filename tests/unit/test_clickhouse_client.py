import socket

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from app.runtime.errors import SinkUnavailable, VoicemonError
from app.runtime.settings import ClickHouseSettings
from sinks.clickhouse.client import StoreError, clear_errors, connect, insert_codec

SETTINGS = ClickHouseSettings(user="someone")


@pytest.mark.clickhouse
def test_no_answer_is_one_sentence_with_the_cause_and_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SinkUnavailable) as raised:
            connect(ClickHouseSettings(url=url))
    assert str(raised.value) == (
        f"ClickHouse at {url} does not answer (Connection refused): "
        "start it with 'voicemon stack up' or set VOICEMON_CLICKHOUSE_URL"
    )


@pytest.mark.parametrize("url", ["", "here", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", "http://[::1"])
def test_a_url_that_is_none_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(VoicemonError, match="use a URL like"):
        connect(ClickHouseSettings(url=url))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://someone:open-sesame@127.0.0.1", "holds a user or password"),
        ("http://127.0.0.1:8123/?async_insert=1", "turns async_insert on"),
        ("http://127.0.0.1:8123/?async_insert=true&wait_for_async_insert=0", "turns async_insert on"),
        ("http://127.0.0.1:8123/?max_threads=4", r"has parameters \(max_threads\)"),
    ],
)
def test_a_url_with_more_than_an_address_is_refused(url: str, text: str) -> None:
    with pytest.raises(VoicemonError, match=text) as raised:
        connect(ClickHouseSettings(url=url))
    assert "open-sesame" not in str(raised.value)


def test_rows_for_another_machine_are_compressed() -> None:
    assert insert_codec(ClickHouseSettings(url="https://clickhouse.example/path")) == "zstd"


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (516, SinkUnavailable, "refuses user 'someone': set VOICEMON_CLICKHOUSE_USER"),
        (46, StoreError, "run 'voicemon migrate'"),
        (60, StoreError, "run 'voicemon migrate'"),
        (81, StoreError, "run 'voicemon migrate'"),
        (497, StoreError, "does not allow user 'someone' a statement"),
        (241, StoreError, "ClickHouse refused a statement: Memory limit exceeded"),
        (None, SinkUnavailable, "does not answer"),
    ],
)
def test_an_error_code_becomes_a_sentence(code: int | None, kind: type[VoicemonError], text: str) -> None:
    with pytest.raises(kind, match=text), clear_errors(SETTINGS):
        raise DatabaseError("Memory limit\n exceeded", code=code)
