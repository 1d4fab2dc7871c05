"""The embedded endpoint answers the stock clients as a ClickHouse server does."""

import gzip
import http.client
import json
import os
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clickhouse_connect
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from clickhouse_connect.driver.external import ExternalData

from app.runtime.compilers import COMPILERS
from tests.endpoint_process import FULL, READONLY, EndpointProcess, wait_until

pytestmark = pytest.mark.clickhouse

ROWS = b'{"a": 1, "s": "x"}\n{"a": 2, "s": "y"}\n'
CODECS = {
    None: lambda data: data,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointProcess]:
    process = EndpointProcess(tmp_path_factory.mktemp("clickhouse"))
    yield process
    assert process.stop() == 0


def connect(endpoint: EndpointProcess, user: tuple[str, str] = FULL) -> Client:
    return clickhouse_connect.get_client(host="127.0.0.1", port=endpoint.port, username=user[0], password=user[1])


@pytest.fixture
def client(endpoint: EndpointProcess) -> Iterator[Client]:
    with connect(endpoint) as made:
        yield made


@pytest.fixture
def table(client: Client) -> str:
    client.command("CREATE DATABASE IF NOT EXISTS app")
    client.command(
        "CREATE OR REPLACE TABLE app.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    return "app.t"


def count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def test_ping_needs_no_password(endpoint: EndpointProcess) -> None:
    reply = endpoint.ask(path="/ping", method="GET", user=("", ""))
    assert (reply.status, reply.text) == (200, "Ok.\n")


def test_the_root_answers_ok_without_a_statement(endpoint: EndpointProcess) -> None:
    assert endpoint.ask(method="GET").text == "Ok.\n"


def test_head_has_headers_and_no_body(endpoint: EndpointProcess) -> None:
    reply = endpoint.ask(method="HEAD", query="SELECT 1")
    assert (reply.status, reply.body) == (200, b"")


def test_another_path_is_not_found(endpoint: EndpointProcess) -> None:
    assert endpoint.ask(path="/nothing", method="GET").status == 404


def test_another_method_is_not_allowed(endpoint: EndpointProcess) -> None:
    assert endpoint.ask(method="DELETE").status == 405


def test_the_sync_client_reads_every_type_it_is_given(client: Client) -> None:
    [row] = client.query(
        "SELECT 1, 'x', [1, 2], map('a', 1), toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')"
    ).result_rows
    assert row[:4] == (1, "x", [1, 2], {"a": 1})


def test_an_empty_result_keeps_its_columns(client: Client) -> None:
    assert client.query("SELECT 1 AS a WHERE 0").result_rows == []


async def test_the_async_client_works_unchanged(endpoint: EndpointProcess) -> None:
    client = await clickhouse_connect.get_async_client(
        host="127.0.0.1", port=endpoint.port, username=FULL[0], password=FULL[1]
    )
    assert (await client.query("SELECT {a:UInt8} + 1", parameters={"a": 4})).result_rows == [(5,)]
    await client.close()


def test_insert_stores_rows_and_says_how_many(client: Client, table: str) -> None:
    summary = client.insert(table, [[1, "x"], [2, "y"]], column_names=["a", "s"])
    assert (summary.written_rows, count(client, table)) == (2, 2)


@pytest.mark.parametrize("codec", list(CODECS))
def test_raw_insert_takes_every_content_encoding(client: Client, table: str, codec: str | None) -> None:
    summary = client.raw_insert(table, insert_block=CODECS[codec](ROWS), compression=codec, fmt="JSONEachRow")
    assert (summary.written_rows, count(client, table)) == (2, 2)


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec])
def test_a_body_that_was_cut_off_stores_nothing(client: Client, table: str, codec: str) -> None:
    rows = b"".join(b'{"a": %d, "s": "%d"}\n' % (number, hash(str(number))) for number in range(50_000))
    whole = CODECS[codec](rows)
    for size in (len(whole) - 1, len(whole) // 2):
        with pytest.raises(ClickHouseError, match="its end is missing"):
            client.raw_insert(table, insert_block=whole[:size], compression=codec, fmt="JSONEachRow")
    assert count(client, table) == 0


def test_a_repeated_token_stores_nothing_twice(client: Client, table: str) -> None:
    for token in ("t1", "t1", "t2"):
        client.raw_insert(
            table,
            insert_block=ROWS,
            fmt="JSONEachRow",
            settings={"async_insert": 0, "insert_deduplication_token": token},
        )
    assert count(client, table) == 4


def test_a_bad_row_is_named_and_nothing_of_it_is_stored(client: Client, table: str) -> None:
    with pytest.raises(ClickHouseError, match=r"\(at row 2\)"):
        client.raw_insert(table, insert_block=b'{"a":1}\n{"a":"x"}\n', fmt="JSONEachRow")
    assert count(client, table) == 0


def test_inserted_values_may_hold_harmless_expressions(client: Client, table: str) -> None:
    client.command(f"INSERT INTO {table} VALUES (1 + 1, upper('x')), (3, 'it''s; ok')")
    assert client.query(f"SELECT a, s FROM {table} ORDER BY a").result_rows == [(2, "X"), (3, "it's; ok")]


def test_an_insert_may_be_split_between_url_and_body(endpoint: EndpointProcess, client: Client, table: str) -> None:
    reply = endpoint.ask("7\tseven\n", query=f"INSERT INTO {table} FORMAT TabSeparated")
    assert json.loads(reply.headers["X-ClickHouse-Summary"])["written_rows"] == "1"
    assert client.query(f"SELECT * FROM {table}").result_rows == [(7, "seven")]


def test_parameters_keep_every_character(client: Client) -> None:
    text = "it's a \\ \n\t \u00fc"
    assert client.query("SELECT {s:String}", parameters={"s": text}).result_rows == [(text,)]


@pytest.mark.parametrize("number", [1, 100, 20_000])
def test_parameters_may_be_as_long_as_a_body(client: Client, number: int) -> None:
    ids = [str(uuid.UUID(int=at)) for at in range(number)]
    question = "SELECT length({ids:Array(UUID)}), has({ids:Array(UUID)}, {last:UUID})"
    assert client.query(question, parameters={"ids": ids, "last": ids[-1]}).result_rows == [(number, 1)]


def form(**fields: str) -> tuple[bytes, dict[str, str]]:
    """A body with these fields, and its header."""
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}' for name, text in fields.items()]
    return "\r\n".join([*parts, "--b--", ""]).encode(), {"Content-Type": "multipart/form-data; boundary=b"}


def test_a_form_is_judged_like_an_address(endpoint: EndpointProcess, table: str) -> None:
    refused = {
        "164": form(query=f"DROP TABLE {table}"),
        "452": form(query="SELECT 1", max_execution_time="0"),
    }
    for code, (body, headers) in refused.items():
        assert endpoint.ask(body, READONLY, headers=headers).headers["X-ClickHouse-Exception-Code"] == code
    body, headers = form(query="SELECT {a:UInt8}", param_a="7")
    assert endpoint.ask(body, READONLY, headers=headers).text == "7\n"


def test_external_tables_are_refused_in_words(client: Client) -> None:
    data = ExternalData(file_name="given", data=b"1\n", fmt="TSV", types=["UInt8"])
    with pytest.raises(DatabaseError, match="External tables are not offered"):
        client.query("SELECT * FROM given", external_data=data)


def test_settings_end_with_their_request(endpoint: EndpointProcess) -> None:
    def threads(**query: str) -> str:
        return endpoint.ask("SELECT getSetting('max_threads') = 7", **query).text

    assert threads(max_threads="7") == "1\n"
    assert threads() == "0\n"


def test_set_and_use_outlive_the_request_only_in_their_session(endpoint: EndpointProcess, table: str) -> None:
    question = "SELECT currentDatabase(), getSetting('max_threads') = 7"
    endpoint.ask("SET max_threads = 7", session_id="one")
    endpoint.ask("USE app", session_id="one")
    assert endpoint.ask(question, session_id="one").text == "app\t1\n"
    assert endpoint.ask(question, session_id="two").text == "default\t0\n"
    assert endpoint.ask(question, session_id="one", user=READONLY).text == "default\t0\n"


def test_a_temporary_table_is_refused_in_words(endpoint: EndpointProcess) -> None:
    reply = endpoint.ask("CREATE TEMPORARY TABLE x (a Int)", session_id="one")
    assert (reply.code, "temporary table" in reply.text) == (446, True)


def test_an_unknown_setting_has_code_115(endpoint: EndpointProcess) -> None:
    reply = endpoint.ask("SELECT 1", no_such_setting="1")
    assert (reply.status, reply.code) == (400, 115)


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("SELECT nope", 400, 47),
        ("SELECT * FROM nope", 404, 60),
        ("SELEC 1", 400, 62),
        ("", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT sum(number) FROM numbers(1000000000000) SETTINGS max_execution_time = 1", 408, 159),
        ("SELECT file('/etc/hostname')", 403, 497),
    ],
)
def test_errors_have_clickhouses_code_and_status(
    endpoint: EndpointProcess, statement: str, status: int, code: int
) -> None:
    reply = endpoint.ask(statement)
    assert (reply.status, reply.code) == (status, code)
    assert reply.text.startswith(f"Code: {code}. DB::Exception: ")


@pytest.mark.parametrize("user", [(FULL[0], "wrong"), (FULL[0], ""), ("nobody", FULL[1]), ("", "")])
def test_a_wrong_password_is_answered_401_with_code_516(endpoint: EndpointProcess, user: tuple[str, str]) -> None:
    reply = endpoint.ask("SELECT 1", user=user)
    assert (reply.status, reply.code) == (401, 516)
    assert FULL[1] not in reply.text


def test_a_get_only_reads(endpoint: EndpointProcess, table: str) -> None:
    assert endpoint.ask(method="GET", query="SELECT 1").text == "1\n"
    reply = endpoint.ask(method="GET", query=f"DROP TABLE {table}")
    assert (reply.status, reply.code) == (403, 164)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count() FROM app.t",
        "EXPLAIN SELECT 1",
        "SHOW TABLES FROM app",
        "DESCRIBE TABLE app.t",
        "EXISTS TABLE app.t",
        "SHOW CREATE TABLE app.t",
        "SET max_threads = 1",
        "SELECT 1 SETTINGS max_threads = 1",
    ],
)
def test_the_readonly_user_reads(endpoint: EndpointProcess, table: str, statement: str) -> None:
    assert endpoint.ask(statement, user=READONLY, max_block_size="1000").status == 200


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO app.t VALUES (1, 'x')",
        "INSERT INTO app.t SELECT 1, 'x'",
        "CREATE TABLE app.u (a Int) ENGINE = Memory",
        "DROP TABLE app.t",
        "TRUNCATE TABLE app.t",
        "ALTER TABLE app.t DELETE WHERE 1",
        "OPTIMIZE TABLE app.t",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "RENAME TABLE app.t TO app.u",
        "DELETE FROM app.t WHERE 1",
        "CREATE VIEW app.v AS SELECT 1",
    ],
)
def test_the_readonly_user_changes_nothing(endpoint: EndpointProcess, table: str, statement: str) -> None:
    reply = endpoint.ask(statement, user=READONLY)
    assert (reply.status, reply.code) == (403, 164)


def test_the_readonly_user_cannot_lift_its_limit(endpoint: EndpointProcess) -> None:
    assert endpoint.ask("SELECT 1", user=READONLY, readonly="0").code == 497
    assert endpoint.ask("SET readonly = 0", user=READONLY, session_id="ro").code == 497


def test_a_big_result_comes_in_pieces_and_whole(client: Client) -> None:
    with client.query_rows_stream("SELECT number FROM numbers(500000)") as stream:
        assert sum(row[0] for row in stream) == sum(range(500_000))


@pytest.mark.parametrize("name", ["TabSeparated", "CSV", "JSONEachRow", "RowBinary", "JSON", "CSVWithNames", "Arrow"])
def test_pieces_join_to_the_same_bytes_as_the_whole(endpoint: EndpointProcess, name: str) -> None:
    statement = "SELECT number, toString(number) FROM numbers(150000)"
    # The statistics of JSON hold the time that the statement took.
    same = {"default_format": name, "output_format_write_statistics": "0"}
    pieces = endpoint.ask(statement, **same).body
    whole = endpoint.ask(statement, wait_end_of_query="1", **same).body
    assert pieces == whole


def test_totals_are_not_lost_on_the_way(endpoint: EndpointProcess) -> None:
    reply = endpoint.ask("SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k")
    assert reply.text == "0\t5\n1\t5\n\n0\t10\n"


def test_an_error_in_the_middle_of_a_result_reaches_the_client(client: Client) -> None:
    with (
        pytest.raises(ClickHouseError, match="395"),
        client.query_rows_stream("SELECT throwIf(number = 400000) FROM numbers(500000)") as stream,
    ):
        for _row in stream:
            pass


def test_a_client_that_leaves_stops_its_query(endpoint: EndpointProcess, client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    headers = {"X-ClickHouse-User": FULL[0], "X-ClickHouse-Key": FULL[1]}
    connection.request("POST", "/?query_id=leaver", "SELECT sum(sipHash64(number)) FROM numbers(100000000000)", headers)
    running = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'leaver'"
    wait_until(lambda: client.query(running).result_rows == [(1,)])
    connection.close()
    wait_until(lambda: client.query(running).result_rows == [(0,)])


def test_a_client_that_leaves_in_the_middle_of_a_result_hurts_nobody(endpoint: EndpointProcess) -> None:
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
        headers = {"X-ClickHouse-User": FULL[0], "X-ClickHouse-Key": FULL[1]}
        connection.request("POST", "/", "SELECT number FROM numbers(20000000)", headers)
        connection.getresponse().read(10)
        connection.close()
    assert endpoint.ask("SELECT 1").text == "1\n"


def test_many_threads_read_and_write_at_once(endpoint: EndpointProcess, client: Client, table: str) -> None:
    def work(worker: int) -> int:
        with connect(endpoint) as own:
            for batch in range(10):
                rows = b"".join(b'{"a":%d,"s":"w"}\n' % (worker * 1000 + batch * 10 + row) for row in range(10))
                own.raw_insert(table, insert_block=rows, fmt="JSONEachRow")
                own.query(f"SELECT count(), {worker * 100 + batch} FROM {table}")
        return 100

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == count(client, table)


def test_a_locked_session_says_so(endpoint: EndpointProcess, client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    headers = {"X-ClickHouse-User": FULL[0], "X-ClickHouse-Key": FULL[1]}
    slow = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
    connection.request("POST", "/?session_id=busy&query_id=busy", slow, headers)
    running = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'busy'"
    wait_until(lambda: client.query(running).result_rows == [(1,)])
    assert endpoint.ask("SELECT 1", session_id="busy").code == 373
    connection.close()
    wait_until(lambda: endpoint.ask("SELECT 1", session_id="busy").status == 200)


def test_native_framing_is_refused_in_words(endpoint: EndpointProcess) -> None:
    reply = endpoint.ask("SELECT 1", compress="1")
    assert (reply.status, reply.code) == (501, 48)


def test_an_unknown_content_encoding_is_refused_in_words(endpoint: EndpointProcess) -> None:
    assert endpoint.ask("SELECT 1", headers={"Content-Encoding": "snappy"}).code == 48


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec])
def test_a_body_that_is_not_its_encoding_is_refused(endpoint: EndpointProcess, codec: str) -> None:
    assert endpoint.ask("SELECT 1 -- not compressed", headers={"Content-Encoding": codec}).status == 400


def test_the_engine_runs_in_utc(endpoint: EndpointProcess) -> None:
    assert endpoint.ask("SELECT timezone(), toString(toDateTime(0))").text == "UTC\t1970-01-01 00:00:00\n"


def test_the_query_log_names_the_requests_query_id(endpoint: EndpointProcess) -> None:
    endpoint.ask("SELECT 'find me'", query_id="known-id")
    endpoint.ask("SYSTEM FLUSH LOGS")
    found = "SELECT count() FROM system.query_log WHERE log_comment = 'known-id' AND type = 'QueryFinish'"
    assert endpoint.ask(found).text == "1\n"


def test_a_second_process_on_the_same_path_is_refused(tmp_path: Path) -> None:
    first = EndpointProcess(tmp_path)
    try:
        command = [sys.executable, "-m", "app.local.clickhouse_server", "--path", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.strip().endswith("stop it first, or use another --path.")
    finally:
        assert first.stop() == 0


def test_acknowledged_rows_survive_a_kill(tmp_path: Path) -> None:
    process = EndpointProcess(tmp_path)
    process.ask("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    acknowledged = 0
    for batch in range(20):
        body = "INSERT INTO t FORMAT TSV\n" + "\n".join(str(batch * 100 + row) for row in range(100))
        acknowledged += int(json.loads(process.ask(body).headers["X-ClickHouse-Summary"])["written_rows"])
    process.kill()
    again = EndpointProcess(tmp_path)
    assert again.ask("SELECT count(), uniqExact(a) FROM t").text == f"{acknowledged}\t{acknowledged}\n"
    assert again.stop() == 0


def test_sigterm_ends_the_process_even_while_a_query_runs(tmp_path: Path) -> None:
    process = EndpointProcess(tmp_path)
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=30)
    headers = {"X-ClickHouse-User": FULL[0], "X-ClickHouse-Key": FULL[1]}
    connection.request("POST", "/", "SELECT sum(sipHash64(number)) FROM numbers(100000000000)", headers)
    wait_until(lambda: process.ask("SELECT count() > 1 FROM system.processes").text == "1\n")
    assert process.stop(30) == 0
    connection.close()


def test_a_body_beyond_the_bound_is_answered_413(tmp_path: Path) -> None:
    limit = {"VOICEMON_LOCAL_CLICKHOUSE_REQUEST_BYTES": str(1024 * 1024)}
    process = EndpointProcess(tmp_path, environment=limit)
    try:
        assert process.ask(b"SELECT 1 --" + b"x" * 1024 * 1024).status == 413
        bomb = zstandard.compress(b"SELECT 1 --" + b"x" * 64 * 1024 * 1024)
        assert process.ask(bomb, headers={"Content-Encoding": "zstd"}).status == 413
        assert process.ask(gzip.compress(b"x" * 64 * 1024 * 1024), headers={"Content-Encoding": "gzip"}).status == 413
        assert process.ask("SELECT 1").text == "1\n"
    finally:
        assert process.stop() == 0


def test_the_time_zone_is_an_option(tmp_path: Path) -> None:
    process = EndpointProcess(tmp_path, "--timezone", "America/New_York")
    assert process.ask("SELECT timezone(), toString(toDateTime(0))").text == "America/New_York\t1969-12-31 19:00:00\n"
    assert process.stop() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_an_address_that_others_reach_is_refused(tmp_path: Path, host: str) -> None:
    command = [sys.executable, "-m", "app.local.clickhouse_server", "--path", str(tmp_path), "--host", host]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "listens on loopback only" in ended.stderr


def test_it_ends_when_its_parent_ends_if_asked(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'app.local.clickhouse_server', '--path', sys.argv[1], "
        "'--die-with-parent'], stdout=subprocess.PIPE, text=True)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
    )
    command = [sys.executable, "-c", starter, str(tmp_path)]
    pid = int(subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout)
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_only_what_the_readonly_user_asks_is_not_compiled(endpoint: EndpointProcess) -> None:
    for name in COMPILERS:
        assert endpoint.ask(f"SELECT toUInt8(getSetting('{name}'))", user=READONLY).text == "0\n"
        assert endpoint.ask(f"SELECT toUInt8(getSetting('{name}'))").text == "1\n"


@pytest.mark.parametrize(
    "setting", [("max_execution_time", "0"), ("max_execution_time", "301"), ("max_memory_usage", "2000000000")]
)
def test_the_readonly_user_stays_within_its_limits(endpoint: EndpointProcess, setting: tuple[str, str]) -> None:
    name, value = setting
    for reply in (
        endpoint.ask("SELECT 1", user=READONLY, **{name: value}),
        endpoint.ask(f"SELECT 1 SETTINGS {name} = {value}", user=READONLY),
        endpoint.ask(f"SELECT * FROM (SELECT 1 SETTINGS {name} = {value})", user=READONLY),
        endpoint.ask(f"SET {name} = {value}", user=READONLY, session_id="limits"),
    ):
        assert (reply.code, reply.status) == (452, 500)
        assert name in reply.text
    assert endpoint.ask("SELECT 1", **{name: value}).status == 200


def test_the_readonly_user_has_limits_and_may_change_the_time(endpoint: EndpointProcess) -> None:
    names = ("max_execution_time", "max_memory_usage", "max_rows_to_read", "max_result_rows")
    question = "SELECT value FROM system.settings WHERE name IN {names:Array(String)} ORDER BY name"
    asked = endpoint.ask(question, user=READONLY, param_names=str(list(names)))
    assert asked.text.split() == ["30", "1000000000", "1000000", "1000000000"]
    assert "max_execution_time" in endpoint.ask("SELECT 1 SETTINGS max_execution_time = 0", user=READONLY).text
    assert (
        endpoint.ask("SELECT getSetting('max_execution_time')", user=READONLY, max_execution_time="60").text == "60\n"
    )
    assert "Code: 396" in endpoint.ask("SELECT number FROM numbers(1000001)", user=READONLY).text
