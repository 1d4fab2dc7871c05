"""Grafana's driver reads the store as its read-only user; needs Go, and its modules fetched once."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate
from tests.endpoint_process import EndpointProcess
from tests.grafana.macros import expand
from tests.grafana.stores import reader_of, two_stores
from tests.grafana.test_queries import QUERIES, UNTOUCHED, WHOLE, Chosen
from tests.integration.store.rows import event_line, insert

PROGRAM = Path(__file__).parents[1] / "clickhouse_go"
BUILD_SECONDS = 240
HOUR_MS = 3_600_000

pytestmark = [pytest.mark.clickhouse, pytest.mark.timeout(BUILD_SECONDS + 60)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built program; the tests are skipped with the reason where it cannot be built here."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: the test of Grafana's driver needs it")
    fetched = subprocess.run(
        [go, "mod", "download"], cwd=PROGRAM, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if fetched.returncode:
        pytest.skip(f"the modules of Grafana's driver cannot be fetched here: {fetched.stderr.strip()[-300:]}")
    binary = tmp_path_factory.mktemp("go") / "clickhouse_go"
    built = subprocess.run(
        [go, "build", "-mod=readonly", "-o", str(binary), "."],
        cwd=PROGRAM, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return binary


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouseSettings]:
    """An embedded endpoint, which has a read-only user, with four events of two hours."""
    endpoint = EndpointProcess(tmp_path)
    settings = Settings(clickhouse=endpoint.settings)
    client = connect(settings.clickhouse)
    migrate(client, settings)
    this_hour = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
    lines = [
        event_line(
            number,
            eventId=f"6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c1{number}",
            timestamp=this_hour - HOUR_MS * (number % 2),
            append_time_ms=this_hour,
            artifactId=f"art_{number}",
            eventType="artifact_received" if number == 2 else "claims_extracted",
            pipelineStage="claims_extraction",
        )
        for number in range(4)
    ]
    insert(client, lines)
    yield settings.clickhouse
    client.close()
    endpoint.stop()


def test_grafana_s_driver_reads_series_and_rows_as_the_read_only_user(program: Path, store: ClickHouseSettings) -> None:
    reader = (store.readonly_user, store.readonly_password.get_secret_value())
    arguments = [str(program), urlsplit(store.url).netloc, *reader, store.database]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["version"]
    assert [(point["events"], point["received"]) for point in told["series"]] == [(2, 0), (2, 1)]
    assert (told["claims"], told["stage"]) == (4, "claims_extraction")
    assert "Code: 164." in told["refused"], "the read-only user makes no table"
    assert "Code: 452." in told["beyond"], "nor lifts a limit"


def test_grafana_s_driver_reads_the_answer_to_every_query_of_the_boards(program: Path, tmp_path: Path) -> None:
    statements = [expand(query.sql, WHOLE, Chosen(UNTOUCHED) if query.in_browser else None) for query in QUERIES]
    with two_stores(tmp_path) as (filled, _):
        reader = reader_of(filled.settings)
        arguments = [urlsplit(reader.url).netloc, reader.user, reader.password.get_secret_value(), reader.database]
        done = subprocess.run(
            [str(program), *arguments, "statements"],
            input=json.dumps(statements), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(query.place, row["error"]) for query, row in zip(QUERIES, told, strict=True) if row["error"]] == []
    assert all(row["rows"] for row in told)
