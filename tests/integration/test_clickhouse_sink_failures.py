"""What ClickHouseSink makes of every kind of failure, on a server that fails as asked."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pydantic import SecretStr

from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings
from sinks.base import Batch, Row
from sinks.clickhouse.sink import ClickHouseSink
from tests.store_stub import Answer, Insert, Refusal, StoreStub, never, reset, running_stub

pytestmark = pytest.mark.enable_socket  # a server of the test's own, on loopback

HOUR_MS = 3_600_000


@pytest.fixture
async def stub() -> AsyncIterator[StoreStub]:
    async with running_stub() as found:
        yield found


def batch(count: int, bad: set[int] | None = None, hours: int = 1) -> Batch:
    rows = [
        Row(offset, json.dumps({"timestamp": offset % hours * HOUR_MS, "bad": offset in (bad or ())}).encode())
        for offset in range(100, 100 + count)
    ]
    return Batch("voice-events", 3, 100, 99 + count, rows)


def refuse_bad(words: str) -> Answer:
    def answer(insert: Insert) -> Refusal | None:
        found = [at for at, line in enumerate(insert.lines, 1) if b'"bad": true' in line]
        return Refusal(117, words.format(row=found[0])) if found else None

    return answer


async def failure(stub: StoreStub, rows: Batch | None = None) -> SinkUnavailable:
    sink = ClickHouseSink(stub.settings)
    with pytest.raises(SinkUnavailable) as caught:
        await sink.write(rows or batch(3))
    await sink.close()
    return caught.value


OUTAGES = [159, 164, 202, 209, 210, 241, 242, 243, 252, 999, 1002, 4711]


@pytest.mark.parametrize("code", OUTAGES)
async def test_an_error_that_blames_no_row_is_an_outage(stub: StoreStub, code: int) -> None:
    stub.answer = lambda _: Refusal(code, "Too many parts (3000)")
    error = await failure(stub)
    assert error.code == str(code)
    assert f"code {code}" in str(error)
    assert not error.needs_operator
    assert "\n" not in str(error)
    assert len(stub.inserts) == 1


@pytest.mark.parametrize(
    ("code", "advice"), [(60, "migrate"), (81, "migrate"), (497, "grant"), (516, "PASSWORD"), (194, "PASSWORD")]
)
async def test_an_error_that_waiting_does_not_mend_asks_for_an_operator(
    stub: StoreStub, code: int, advice: str
) -> None:
    stub.answer = lambda _: Refusal(code, status=403)
    error = await failure(stub)
    assert (error.code, error.needs_operator) == (str(code), True)
    assert advice in str(error)


async def test_a_refused_login_asks_for_an_operator_and_keeps_the_password_to_itself() -> None:
    async with running_stub(password=SecretStr("open-sesame")) as stub:
        stub.at_connect = Refusal(516, "voicemon: Authentication failed", status=401)
        error = await failure(stub)
    assert (error.code, error.needs_operator) == ("516", True)
    assert "open-sesame" not in str(error)


async def test_a_parse_error_while_connecting_blames_no_row(stub: StoreStub) -> None:
    stub.at_connect = Refusal(27, "Cannot parse input")
    assert (await failure(stub)).code == "27"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_an_error_of_a_web_server_in_front_is_an_outage(stub: StoreStub, status: int) -> None:
    stub.answer = lambda _: Refusal(None, "Bad Gateway", status)
    assert not (await failure(stub)).needs_operator


async def test_a_server_that_never_answers_misses_the_deadline() -> None:
    async with running_stub(request_timeout_seconds=0.3) as stub:
        stub.behaviour = never
        started = time.monotonic()
        error = await failure(stub)
        assert error.code == "timeout"
        assert time.monotonic() - started < 2


async def test_a_server_that_only_drips_misses_the_deadline() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.02)
        return response

    async with running_stub(request_timeout_seconds=0.3) as stub:
        stub.behaviour = drip
        assert (await failure(stub)).code == "timeout"


async def test_a_connection_reset_is_an_outage(stub: StoreStub) -> None:
    stub.behaviour = reset
    assert (await failure(stub)).code == "network"


async def test_nobody_listening_is_an_outage_that_names_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = ClickHouseSettings(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        sink = ClickHouseSink(settings)
        with pytest.raises(SinkUnavailable, match="VOICEMON_CLICKHOUSE_URL"):
            await sink.check()
        await sink.close()


async def test_a_sink_recovers_without_being_made_anew(stub: StoreStub) -> None:
    sink = ClickHouseSink(stub.settings)
    stub.at_connect = Refusal(516)
    with pytest.raises(SinkUnavailable):
        await sink.write(batch(3))
    stub.at_connect = None
    stub.behaviour = reset
    with pytest.raises(SinkUnavailable):
        await sink.write(batch(3))
    stub.behaviour = None
    assert (await sink.write(batch(3))).stored == 3
    await sink.close()


@pytest.mark.parametrize(
    "words",
    ["Cannot parse: (at row {row})", "Cannot parse", "Cannot parse: (at row 1)", "Cannot parse: (at row 999)"],
    ids=["right row number", "no row number", "wrong row number", "impossible row number"],
)
@pytest.mark.parametrize("bad", [{100}, {131}, {104, 105, 120}])
async def test_refused_rows_are_isolated_whatever_the_server_says(stub: StoreStub, words: str, bad: set[int]) -> None:
    stub.answer = refuse_bad(words)
    sink = ClickHouseSink(stub.settings)
    result = await sink.write(batch(32, bad))
    await sink.close()
    assert [row.offset for row in result.refused] == sorted(bad)
    assert all(row.message.startswith("Cannot parse") for row in result.refused)
    assert all("127.0.0.1" not in row.message for row in result.refused)
    assert result.stored == 32 - len(bad)
    accepted = [insert for insert in stub.inserts if stub.answer(insert) is None]
    assert sorted(line for insert in accepted for line in insert.lines) == sorted(
        row.line for row in batch(32, bad).rows if row.offset not in bad
    )


async def test_no_insert_may_be_taken_for_a_copy_of_another(stub: StoreStub) -> None:
    sink = ClickHouseSink(stub.settings)
    for _ in range(2):
        await sink.write(batch(3))
    await sink.close()
    assert [insert.params["insert_deduplicate"] for insert in stub.inserts] == ["0", "0"]
    assert all("insert_deduplication_token" not in insert.params for insert in stub.inserts)


async def test_only_refusals_are_taken_for_a_wrong_schema_until_rows_are_stored_again(stub: StoreStub) -> None:
    every_row = set(range(100, 400))
    stub.answer = refuse_bad("Unknown field")
    sink = ClickHouseSink(stub.settings)
    with pytest.raises(SinkUnavailable, match="voicemon migrate") as caught:
        await sink.write(batch(300, every_row))
    assert caught.value.needs_operator
    assert len(stub.inserts) <= 101
    with pytest.raises(SinkUnavailable):
        await sink.write(batch(1, every_row))
    result = await sink.write(batch(300, {100, 101, 102}))
    assert (result.stored, len(result.refused)) == (297, 3)
    assert (await sink.write(batch(1, every_row))).stored == 0
    await sink.close()


async def test_single_refused_rows_end_in_an_outage_too(stub: StoreStub) -> None:
    stub.answer = refuse_bad("Unknown field")
    sink = ClickHouseSink(stub.settings)
    for _ in range(100):
        assert len((await sink.write(batch(1, {100}))).refused) == 1
    with pytest.raises(SinkUnavailable):
        await sink.write(batch(1, {100}))
    await sink.close()


@pytest.mark.parametrize(("most", "inserts"), [(2, [12, 6, 6]), (1, [12, 6, 3, 3, 6, 3, 3])])
async def test_a_block_of_too_many_partitions_is_halved_by_hours(
    stub: StoreStub, most: int, inserts: list[int]
) -> None:
    def answer(insert: Insert) -> Refusal | None:
        hours = {json.loads(line)["timestamp"] for line in insert.lines}
        return (
            Refusal(252, "Too many partitions for single INSERT block (more than 100)") if len(hours) > most else None
        )

    stub.answer = answer
    sink = ClickHouseSink(stub.settings)
    assert (await sink.write(batch(12, hours=4))).stored == 12
    await sink.close()
    assert [len(insert.lines) for insert in stub.inserts] == inserts


async def test_one_hour_that_is_too_many_partitions_asks_for_an_operator(stub: StoreStub) -> None:
    stub.answer = lambda _: Refusal(252, "Too many partitions for single INSERT block (more than 0)")
    error = await failure(stub)
    assert (error.code, error.needs_operator) == ("252", True)


async def test_inserts_match_column_names_with_case_and_are_synchronous(stub: StoreStub) -> None:
    sink = ClickHouseSink(stub.settings)
    await sink.write(batch(3))
    await sink.close()
    params = stub.inserts[0].params
    assert params["async_insert"] == "0"
    assert params["input_format_column_name_matching_mode"] == "match_case"
    assert params["input_format_skip_unknown_fields"] == "0"
    assert stub.inserts[0].body == b"\n".join(row.line for row in batch(3).rows)


async def test_rows_for_another_host_are_compressed() -> None:
    # Any other address of the loopback network: this machine, but not by a name that says so.
    async with running_stub("127.0.0.2") as stub:
        stub.behaviour = seen = _Seen()
        sink = ClickHouseSink(stub.settings)
        await sink.write(batch(3))
        await sink.close()
    assert seen.encoding == "zstd"


class _Seen:
    encoding = ""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.encoding = request.headers.get("Content-Encoding", "")
        return web.Response()
