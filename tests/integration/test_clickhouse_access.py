"""How ClickHouse is reached: TLS, passwords in files, compression, and what every insert carries."""

import asyncio
import ssl
from pathlib import Path

import lz4.frame
import pytest
from pydantic import SecretStr

from app.runtime.errors import SinkUnavailable, VoicemonError
from app.runtime.settings import ClickHouseSettings
from sinks.base import Batch, Row
from sinks.clickhouse.client import connect, connect_for_questions
from sinks.clickhouse.sink import ClickHouseSink
from tests.certificates import Authority
from tests.store_stub import Refusal, StoreStub, running_stub

pytestmark = pytest.mark.enable_socket  # a server of the test's own, on loopback

ROWS = Batch("voice-events", 0, 1, 1, [Row(1, b'{"timestamp":1}')])
# The stub's HTTP layer undoes zstd by itself.
BODIES = {"lz4": lz4.frame.decompress, "zstd": bytes, "none": bytes, "auto": bytes}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    identity = authority.identity("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


async def write(stub: StoreStub) -> None:
    sink = ClickHouseSink(stub.settings)
    try:
        await sink.write(ROWS)
    finally:
        await sink.close()


async def failure(stub: StoreStub) -> SinkUnavailable:
    with pytest.raises(SinkUnavailable) as caught:
        await write(stub)
    assert stub.inserts == []
    return caught.value


async def test_rows_go_over_tls_to_a_server_of_a_known_authority(authority: Authority, tls: ssl.SSLContext) -> None:
    async with running_stub(tls=tls, tls_ca_file=authority.certificate) as stub:
        assert stub.settings.url.startswith("https://")
        await write(stub)
    assert stub.inserts[0].lines == [b'{"timestamp":1}']


async def test_an_unknown_authority_is_not_trusted_and_an_operator_is_asked(tls: ssl.SSLContext) -> None:
    async with running_stub(tls=tls) as stub:
        error = await failure(stub)
    assert (error.code, error.needs_operator) == ("tls", True)
    assert "has a certificate that is not trusted (unable to get local issuer certificate)" in str(error)
    assert "VOICEMON_CLICKHOUSE_TLS_CA_FILE" in str(error)


async def test_a_certificate_for_another_name_is_not_trusted(authority: Authority, tls: ssl.SSLContext) -> None:
    async with running_stub("127.0.0.2", tls=tls, tls_ca_file=authority.certificate) as stub:
        assert "certificate is not valid for '127.0.0.2'" in str(await failure(stub))


async def test_tls_to_a_plain_port_says_so() -> None:
    async with running_stub() as stub:
        stub.settings = stub.settings.model_copy(update={"url": stub.settings.url.replace("http:", "https:")})
        assert "does not speak TLS as expected" in str(await failure(stub))


async def test_a_password_file_is_read_anew_after_a_refused_login(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    async with running_stub(password_file=file, password=SecretStr("unused")) as stub:
        sink = ClickHouseSink(stub.settings)
        await sink.write(ROWS)
        assert set(stub.passwords) == {"old"}
        stub.answer = lambda _: Refusal(516, status=401)
        with pytest.raises(SinkUnavailable):
            await sink.write(ROWS)
        file.write_text("new\n")
        stub.answer, stub.passwords = lambda _: None, []
        await sink.write(ROWS)
        assert set(stub.passwords) == {"new"}
        await sink.close()


async def test_a_password_file_that_is_gone_asks_for_an_operator(tmp_path: Path) -> None:
    async with running_stub(password_file=tmp_path / "missing") as stub:
        error = await failure(stub)
    assert error.needs_operator
    assert "VOICEMON_CLICKHOUSE_PASSWORD_FILE names" in str(error)


@pytest.mark.parametrize("compression", list(BODIES))
async def test_rows_are_compressed_as_set(compression: str) -> None:
    async with running_stub(compression=compression) as stub:
        await write(stub)
    [insert] = stub.inserts
    assert insert.headers.get("Content-Encoding", "") == compression.replace("none", "").replace("auto", "")
    assert BODIES[compression](insert.body) == b'{"timestamp":1}'


async def test_inserts_are_never_asynchronous_and_wait_for_every_shard() -> None:
    async with running_stub(cluster="main") as stub:
        await write(stub)
    params = stub.inserts[0].params
    assert (params["async_insert"], params["distributed_foreground_insert"]) == ("0", "1")


async def test_without_a_cluster_no_setting_of_clusters_is_sent() -> None:
    async with running_stub() as stub:
        await write(stub)
    assert not {"distributed_foreground_insert", "distributed_product_mode"} & stub.inserts[0].params.keys()


async def test_an_older_server_is_not_sent_a_setting_that_it_does_not_know() -> None:
    async with running_stub() as stub:
        stub.unknown = ("input_format_column_name_matching_mode",)
        await write(stub)
    assert "input_format_column_name_matching_mode" not in stub.inserts[0].params


async def test_a_server_that_forces_async_inserts_is_refused() -> None:
    async with running_stub() as stub:
        stub.forced = {"async_insert": "1"}
        error = await failure(stub)
    assert error.needs_operator
    assert "ClickHouse forces async_insert=1" in str(error)


@pytest.mark.parametrize("left_alone", ["", "unknown", "forced"])
async def test_questions_are_not_compiled_where_that_may_be_chosen(left_alone: str) -> None:
    async with running_stub() as stub:
        stub.unknown = ("compile_expressions",) if left_alone == "unknown" else ()
        stub.forced = {"compile_expressions": "1"} if left_alone == "forced" else {}
        client = await asyncio.to_thread(connect_for_questions, stub.settings)
        await asyncio.to_thread(client.query, "SELECT 1")
        client.close()
    assert stub.queries[-1].get("compile_expressions") == (None if left_alone else "0")
    # The stub knows none of the others.
    assert not {"compile_aggregate_expressions", "compile_sort_description"} & stub.queries[-1].keys()


def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(VoicemonError, match="holds no certificate"):
        connect(ClickHouseSettings(url="https://127.0.0.1:1", tls_ca_file=file))
