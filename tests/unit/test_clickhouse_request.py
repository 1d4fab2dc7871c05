"""Reading one request of ClickHouse's HTTP protocol."""

import gzip
import zlib
from functools import partial

import lz4.frame
import pytest
import zstandard

from app.local.clickhouse_errors import QueryRefused
from app.local.clickhouse_request import (
    BodyTooLarge,
    Credentials,
    User,
    authenticate,
    decoded_body,
    is_setting,
    statement_of,
)
from app.local.clickhouse_sessions import Sessions

USERS = {"a": User("a", "right", is_readonly=False)}
BODY = b"SELECT 1" * 100
CODECS = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "gzip": partial(gzip.compress, mtime=0),
    "deflate": zlib.compress,
}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", BODY),
        ("lz4", lz4.frame.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
        ("lz4", lz4.frame.compress(BODY[:7]) + lz4.frame.compress(BODY[7:])),
        ("zstd", zstandard.compress(BODY[:7]) + zstandard.compress(BODY[7:])),
        ("gzip", gzip.compress(BODY[:7], mtime=0) + gzip.compress(BODY[7:], mtime=0)),
    ],
)
def test_a_body_loses_its_encoding(encoding: str, body: bytes) -> None:
    assert decoded_body(body, encoding, len(BODY)) == BODY


@pytest.mark.parametrize(
    ("encoding", "body"), [("lz4", lz4.frame.compress(BODY)), ("zstd", zstandard.compress(BODY)), ("", BODY)]
)
def test_a_body_one_byte_over_the_bound_is_too_large(encoding: str, body: bytes) -> None:
    with pytest.raises(BodyTooLarge):
        decoded_body(body, encoding, len(BODY) - 1)


def test_the_bound_holds_over_all_frames_of_a_body() -> None:
    with pytest.raises(BodyTooLarge):
        decoded_body(lz4.frame.compress(BODY) * 2, "lz4", 2 * len(BODY) - 1)


@pytest.mark.parametrize("encoding", list(CODECS))
@pytest.mark.parametrize("lost", [1, 3, 10])
def test_a_body_that_was_cut_off_is_refused(encoding: str, lost: int) -> None:
    frame = CODECS[encoding](BODY)
    for body in (frame, frame + frame):
        with pytest.raises(QueryRefused, match="its end is missing"):
            decoded_body(body[:-lost], encoding, 2 * len(BODY))


@pytest.mark.parametrize("encoding", list(CODECS))
def test_a_body_that_is_not_its_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(QueryRefused, match=f"not {encoding}"):
        decoded_body(BODY, encoding, len(BODY))


@pytest.mark.parametrize("encoding", list(CODECS))
def test_a_bomb_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(BodyTooLarge):
        decoded_body(CODECS[encoding](bytes(50_000_000)), encoding, 1_000_000)


def test_the_right_password_gives_the_user() -> None:
    assert authenticate(Credentials("a", "right"), USERS) is USERS["a"]


@pytest.mark.parametrize("given", [Credentials("a", "wrong"), Credentials("a", ""), Credentials("b", "right")])
def test_anything_else_is_refused_with_code_516(given: Credentials) -> None:
    with pytest.raises(QueryRefused) as refused:
        authenticate(given, USERS)
    assert (refused.value.code, refused.value.status) == (516, 401)


def test_url_and_body_are_joined_by_a_newline() -> None:
    assert statement_of("SELECT 1", b"+ 1;").text == "SELECT 1\n+ 1"


def test_the_rows_of_an_insert_in_the_url_are_the_body() -> None:
    what = statement_of("INSERT INTO t FORMAT TSV", b"1\n")
    assert (what.text, what.rows) == ("INSERT INTO t FORMAT TSV", b"1\n")


@pytest.mark.parametrize("name", ["query", "database", "session_id", "param_x", "query_id", "wait_end_of_query"])
def test_words_of_the_protocol_are_no_settings(name: str) -> None:
    assert not is_setting(name)


def test_a_session_belongs_to_one_user_and_one_request_at_a_time() -> None:
    sessions = Sessions()
    with sessions.enter("a", {"session_id": "s"}) as first:
        first.remember("db", {"x": "1"})
        with sessions.enter("b", {"session_id": "s"}) as other:
            assert other.database == ""
        with pytest.raises(QueryRefused, match="locked"), sessions.enter("a", {"session_id": "s"}):
            pass
    with sessions.enter("a", {"session_id": "s", "session_timeout": "0"}) as again:
        assert (again.database, again.settings) == ("db", {"x": "1"})


def test_a_session_ends_with_its_timeout() -> None:
    sessions = Sessions()
    with sessions.enter("a", {"session_id": "s", "session_timeout": "-1"}) as first:
        first.remember("db", {})
    with sessions.enter("a", {"session_id": "s"}) as again:
        assert again.database == ""


def test_a_timeout_that_is_no_number_is_refused() -> None:
    with (
        pytest.raises(QueryRefused, match="session_timeout"),
        Sessions().enter("a", {"session_id": "s", "session_timeout": "soon"}),
    ):
        pass
