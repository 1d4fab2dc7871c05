"""The statements for a cluster on the real engine, with a cluster of one shard that is this engine itself.

The engine has no Keeper, so tables are not replicated here and `ON CLUSTER` is left out; all else is as in a cluster:
rows are written and read through Distributed tables, materialized views fill the shard's own tables.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.artifact_cleanup import TABLES, ArtifactCleanup
from app.artifact_refresh import ArtifactRefresh
from app.domain.recount import recount
from app.minute_figures import MinuteFigures
from app.queries.distributions import channels, confidence, funnel
from app.queries.fields import RangeParameters
from app.queries.minutes import minutes
from app.runtime.settings import ClickHouseSettings, RetentionSettings, RollupSettings, Settings
from sinks.clickhouse.client import cluster_settings, keep_repeated_rows
from sinks.clickhouse.erasure import Erasure, Kind, Subject
from sinks.clickhouse.placement import Placement
from sinks.clickhouse.schema import RetentionChange, SchemaError, migrate
from tests.integration.store.conftest import HOURS_OF_TWO_YEARS
from tests.integration.store.copied_log import CopiedLog, answers_equal
from tests.integration.store.rows import event_line, insert, line_of
from tests.integration.store.snapshots import HOUR, ManualClock, differences
from tests.integration.store.test_copies_equal_the_reference import Workers
from tests.sample_log import read_expected, read_log

CONFIG = """<clickhouse>
  <tcp_port>9000</tcp_port>
  <remote_servers><main><shard>
    <internal_replication>true</internal_replication>
    <replica><host>localhost</host><port>9000</port></replica>
  </shard></main></remote_servers>
</clickhouse>
"""
PATH_AND_REPLICA = re.compile(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?")


class WithoutKeeper(Placement):
    """As in a cluster, except that tables are not replicated."""

    def statements(self, statement: str) -> list[str]:
        placed = [text.replace(" ON CLUSTER 'main'", "") for text in super().statements(statement)]
        window = "replicated_deduplication_window"
        return [PATH_AND_REPLICA.sub(r"\1(", text).replace(f" {window}", f" non_{window}") for text in placed]


@pytest.fixture
def settings() -> Settings:
    """An engine of the test's own, in this process, so no service is used."""
    return Settings(
        clickhouse=ClickHouseSettings(database="clustered", cluster="main"),
        retention=RetentionSettings(events_hours=HOURS_OF_TWO_YEARS, hourly_days=730, daily_days=730),
        rollup=RollupSettings(settle_seconds=0),
    )


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[Client]:
    config = tmp_path / "config.xml"
    config.write_text(CONFIG)
    options = {"config-file": str(config)}
    client = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path / "data"), chdb_options=options)
    client.database = settings.clickhouse.database
    for name, value in cluster_settings(settings.clickhouse).items():
        client.set_client_setting(name, value)
    keep_repeated_rows(client)
    yield client
    client.close()


@pytest.fixture
def store(client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("sinks.clickhouse.schema.Placement", WithoutKeeper)
    migrate(client, settings)
    return client


def engines(client: Client, database: str) -> dict[str, str]:
    question = "SELECT name, engine FROM system.tables WHERE database = {db:String}"
    return dict(client.query(question, parameters={"db": database}).result_rows)


def answers(store: Client, span: RangeParameters, now_ms: int) -> list[Any]:
    """Answers about the span; the last digits of a sum of costs depend on the order in which they were added."""
    decode = msgspec.json.Decoder(float_hook=lambda text: round(float(text), 12)).decode
    return [decode(msgspec.json.encode(ask(store, span, now_ms))) for ask in (minutes, funnel, channels, confidence)]


def test_a_cluster_gives_the_same_figures_as_a_single_server(store: Client, settings: Settings) -> None:
    expected, records = read_expected("expected.json"), read_log("events.ndjson")
    insert(store, [line_of(a) for a in recount(records).accepted])
    found = engines(store, settings.clickhouse.database)
    assert (found["events"], found["events_local"]) == ("Distributed", "ReplacingMergeTree")
    assert (found["snapshots_hourly"], found["schema_migrations"]) == ("ReplacingMergeTree", "MergeTree")
    clock = ManualClock(expected["range"]["hoursTo"])
    roll_up = RollUp(store, settings, clock)
    roll_up.run_once(clock.now)
    assert differences(store, expected, "hourly") == []
    clock.now = expected["range"]["daysTo"]
    roll_up.run_once(clock.now)
    assert differences(store, expected, "daily") == []
    assert store.command("SELECT count() FROM events_at(now_ms = 0)") == store.command(
        "SELECT count() FROM events_local FINAL"
    )
    kept = MinuteFigures(store, settings, clock)
    span = RangeParameters(start_time=clock.now - 30 * 3_600_000, end_time=clock.now)
    before = answers(store, span, clock.now)
    assert kept.run_once() > 100
    assert answers(store, span, clock.now) == before
    assert kept.run_once() == 0
    assert migrate(store, settings).applied == ()


def test_old_artifacts_are_deleted_from_the_shards_tables(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.artifact_cleanup.Placement", WithoutKeeper)
    stored = time.time_ns() // 1_000_000
    insert(store, [event_line(1, eventType="artifact_completed", metadata={})])
    ArtifactRefresh(store, settings.clickhouse).run_once()
    clock = ManualClock(stored + (HOURS_OF_TWO_YEARS + 24 * 365) * HOUR)
    deadline = time.monotonic() + 60
    while ArtifactCleanup(store, settings, clock).run_once():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for table in map(Placement("main").stored_in, TABLES):
        assert store.command(f"SELECT count() FROM {table}") == 0, table


def test_later_copies_are_removed_from_the_shards_tables(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("app.copies", "app.copy_traces"):
        monkeypatch.setattr(f"{module}.Placement", WithoutKeeper)
    monkeypatch.setattr("app.copies.ON_THEIR_WAY_MS", 0)
    log, workers = CopiedLog(11), Workers(store, settings)
    for batch in log.batches():
        insert(store, batch)
    workers.derive()
    assert workers.removal.run_once() > 5
    assert not workers.removal.is_unfinished()
    workers.derive()
    answers_equal(store, log, monkeypatch)


def test_erasing_reaches_the_shards_tables(store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.clickhouse.erasure.Placement", WithoutKeeper)
    insert(store, [event_line(1, artifactId="a1", organizationId="gone"), event_line(2, artifactId="a1")])
    ArtifactRefresh(store, settings.clickhouse).run_once()
    subject = Subject(Kind.ORGANISATION, "gone")
    erasure = Erasure(store, settings.clickhouse, subject, wait=lambda seconds: None)
    assert {one.table for one in erasure.count() if one.rows} >= {"events", "artifact_state", "artifact_rows"}
    assert not any(one.rows for one in erasure.erase())
    assert store.command("SELECT count() FROM events_local") == 0
    statement = Placement("main").statements("ALTER TABLE db.events DELETE WHERE artifactId = 'a'")
    assert statement == ["ALTER TABLE db.events_local ON CLUSTER 'main' DELETE WHERE artifactId = 'a'"]


def test_changed_retention_reaches_the_shards_tables(store: Client, settings: Settings) -> None:
    narrow = settings.model_copy(update={"retention": settings.retention.model_copy(update={"events_hours": 24})})
    assert migrate(store, narrow).retention[0] == RetentionChange("events", 17641, 145)
    assert migrate(store, narrow).retention == ()


def test_a_database_of_a_single_server_is_not_taken_for_one_of_a_cluster(store: Client, settings: Settings) -> None:
    single = settings.model_copy(update={"clickhouse": settings.clickhouse.model_copy(update={"cluster": ""})})
    with pytest.raises(SchemaError, match="was made for a cluster: correct VOICEMON_CLICKHOUSE_CLUSTER"):
        migrate(store, single)
