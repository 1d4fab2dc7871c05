"""The benchmark of the ways into ClickHouse stores the whole log with each, on a log too small to tell a speed."""

import pytest

from app.bench.events import Load
from app.bench.store_run import compare_stores
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import connect

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

WAYS = ["engine", "sink", "plain", "worker"]


def test_every_way_stores_the_whole_log(kafka_bootstrap: str, clickhouse: ClickHouseSettings) -> None:
    settings = Settings.model_validate({"kafka": {"bootstrap": kafka_bootstrap}, "clickhouse": clickhouse.model_dump()})
    lines: list[str] = []
    load = Load(2000, 5, 2)
    report = compare_stores(settings, load, 1, WAYS, lines.append)
    found = {row.contender: row for row in report.contenders}
    assert list(found) == WAYS
    assert {row.events for row in found.values()} == {2000}
    assert all(row.rows_per_second > 0 and row.peak_rss_bytes > 1_000_000 for row in found.values())
    [end] = found["worker"].samples
    assert end.events == load.events - load.repeated
    assert 1_000_000 < end.rss_bytes <= found["worker"].peak_rss_bytes
    assert (found["engine"].ratio_to_engine, found["plain"].times_plain) == (1.0, 1.0)
    client = connect(clickhouse.model_copy(update={"database": "system"}))
    assert not [name for (name,) in client.query("SHOW DATABASES").result_rows if name.startswith("bench_")]
