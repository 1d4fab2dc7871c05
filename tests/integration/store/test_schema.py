import threading
from collections.abc import Callable
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs
from syrupy.assertion import SnapshotAssertion

from app.runtime.settings import RetentionSettings, Settings
from sinks.clickhouse import schema, templates
from sinks.clickhouse.client import StoreError
from sinks.clickhouse.schema import RetentionChange, SchemaError, migrate
from sinks.clickhouse.templates import Template
from tests.integration.store.rows import event_line, insert

pytestmark = pytest.mark.clickhouse

ALL = tuple(f"{migration.number:04}_{migration.name}" for migration in templates.migrations())
VIEWS = tuple(f"{view.number:04}_{view.name}" for view in templates.views())
LAST = templates.migrations()[-1].number
DEFAULT = RetentionSettings()


def ddl(client: Client, settings: Settings) -> dict[str, str]:
    database = settings.clickhouse.database
    rows = client.query("SELECT name FROM system.tables WHERE database = {db:String}", parameters={"db": database})
    names = sorted(name for (name,) in rows.result_rows)
    shown = {name: client.query(f"SHOW CREATE TABLE {database}.{name}").result_rows[0][0] for name in names}
    return {name: text.replace(database, "voicemon") for name, text in shown.items()}


def test_an_empty_server_gets_the_whole_schema(client: Client, settings: Settings, snapshot: SnapshotAssertion) -> None:
    defaults = settings.model_copy(update={"retention": DEFAULT})
    result = migrate(client, defaults)
    assert (result.version, result.applied, result.views, result.retention) == (LAST, ALL, VIEWS, ())
    assert ddl(client, defaults) == snapshot


def test_a_second_run_changes_nothing(store: Client, settings: Settings) -> None:
    before = ddl(store, settings)
    result = migrate(store, settings)
    assert (result.applied, result.views, result.retention) == ((), (), ())
    assert ddl(store, settings) == before


def test_a_dry_run_says_what_is_pending_and_creates_nothing(client: Client, settings: Settings) -> None:
    result = migrate(client, settings, dry_run=True)
    assert (result.applied, result.dry_run) == (ALL, True)
    assert client.command(f"EXISTS DATABASE {settings.clickhouse.database}", use_database=False) == 0


def test_a_half_done_migration_is_resumed(client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = templates.migrations()
    broken = Template(
        LAST + 1,
        "two_steps",
        "CREATE TABLE IF NOT EXISTS {{ database }}.first_step (a UInt8) ENGINE = Memory;\n"
        "CREATE TABLE IF NOT EXISTS {{ database }}.second_step AS {{ database }}.made_meanwhile;\n",
    )
    monkeypatch.setattr("sinks.clickhouse.schema.migrations", lambda: [*whole, broken])
    with pytest.raises(StoreError):
        migrate(client, settings)
    assert migrate(client, settings, dry_run=True).applied == (f"{LAST + 1:04}_two_steps",)
    client.command("CREATE TABLE made_meanwhile (b UInt8) ENGINE = Memory")
    assert migrate(client, settings).applied == (f"{LAST + 1:04}_two_steps",)
    assert {"first_step", "second_step"} <= ddl(client, settings).keys()
    assert migrate(client, settings).applied == ()


def test_a_changed_migration_is_refused_by_name(
    store: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = templates.migrations()
    edited = Template(first.number, first.name, first.text + "-- edited\n")
    monkeypatch.setattr("sinks.clickhouse.schema.migrations", lambda: [edited, *others])
    with pytest.raises(SchemaError, match="Migration 0001_events differs from the one that ran"):
        migrate(store, settings)


def test_a_newer_schema_is_refused(store: Client, settings: Settings) -> None:
    store.command(
        "INSERT INTO schema_migrations (kind, version, name, checksum, state) "
        f"VALUES ('migration', {LAST + 1}, 'x', 'y', 'done')"
    )
    sentence = f"The database has schema {LAST + 1}, this program knows only {LAST}: run a newer program"
    with pytest.raises(SchemaError, match=sentence):
        migrate(store, settings)


def test_two_workers_that_migrate_at_once_do_no_harm(
    client: Client, new_client: Callable[[], Client], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, pending = threading.Barrier(2), schema._pending
    failures: list[Exception] = []

    def pending_for_both(recorded: Any) -> list[Template]:
        found = pending(recorded)
        start.wait(60)  # neither has applied anything before both know what there is to do
        return found

    def work() -> None:
        own = new_client()
        try:
            migrate(own, settings)
        except (SchemaError, StoreError) as error:
            failures.append(error)
        finally:
            own.close()

    with monkeypatch.context() as patch:
        patch.setattr("sinks.clickhouse.schema._pending", pending_for_both)
        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    assert failures == []
    assert migrate(client, settings).applied == ()
    assert client.command(
        "SELECT count(), uniqExact(name) FROM schema_migrations WHERE kind = 'migration' AND state = 'done'"
    ) == [str(2 * len(ALL)), str(len(ALL))]
    assert not [name for name in ddl(client, settings) if name.startswith(("_tmp", ".inner"))]


def test_changed_retention_settings_alter_the_tables_and_the_views(store: Client, settings: Settings) -> None:
    kept = RetentionSettings(events_hours=24, max_outage_hours=0, artifacts_days=30)
    narrow = settings.model_copy(update={"retention": kept})
    with capture_logs() as lines:
        result = migrate(store, narrow)
    told = {line["table"]: line["after_hours"] for line in lines if line["log_level"] == "warning"}
    assert told == {change.table: change.after_hours for change in result.retention}
    [views] = [line for line in lines if "visible_hours" in line]
    assert (views["visible_hours"]["events"], views["visible_hours"]["artifacts"]) == (24, 30 * 24)
    assert result.views == VIEWS
    assert [change.table for change in result.retention] == [
        "events",
        "hour_activity",
        "snapshots_hourly",
        "snapshots_daily",
        "hourly_figures",
        "daily_figures",
        "minute_figures",
        "minute_activity",
        "artifact_hours",
        "error_events",
    ]
    assert result.retention[0] == RetentionChange("events", 17641, 25)
    tables = ddl(store, settings)
    assert "stored_at) + toIntervalHour(25)" in tables["events"]
    assert "toIntervalHour(24)" in tables["events_at"]
    assert migrate(store, narrow).retention == ()


def test_no_retention_setting_can_wrap_a_date(store: Client, settings: Settings) -> None:
    endless = settings.model_copy(update={"retention": RetentionSettings(events_hours=10**9, hourly_days=10**8)})
    migrate(store, endless)
    insert(store, [event_line(1)])
    store.command("OPTIMIZE TABLE events FINAL")
    assert store.command("SELECT count() FROM events") == 1
    assert len(store.query("SELECT eventId FROM events_at(now_ms = 1771113726916)").result_rows) == 1


@pytest.mark.parametrize("first_inserted", [0, 1])
def test_of_equal_keys_the_copy_first_in_the_log_is_read(store: Client, first_inserted: int) -> None:
    copies = [
        event_line(9, source_partition=3, metadata={"claimCount": 1}),
        event_line(2, source_partition=5, append_time_ms=1771113727001, metadata={"claimCount": 2}),
    ]
    insert(store, [copies[first_inserted]])
    insert(store, [copies[1 - first_inserted]])
    rows = store.query("SELECT source_offset, metadata.claimCount FROM events_at(now_ms = 1771113726916)").result_rows
    assert list(rows) == [(9, 1)]
    [(state,)] = store.query("SELECT mapValues(events)[1].claimCount FROM artifact_state FINAL").result_rows
    assert state == 1


def test_a_row_exactly_at_the_cutoff_is_read_and_an_older_one_is_not(store: Client, settings: Settings) -> None:
    migrate(store, settings.model_copy(update={"retention": DEFAULT}))
    insert(store, [event_line(1)])

    def visible(now_ms: int) -> int:
        return len(
            store.query("SELECT eventId FROM events_at(now_ms = {now:Int64})", parameters={"now": now_ms}).result_rows
        )

    cutoff_ms = 1771113726916 + 48 * 3_600_000
    assert (visible(cutoff_ms), visible(cutoff_ms + 1)) == (1, 0)


def test_an_old_event_outlives_the_ttl_because_it_was_stored_just_now(store: Client, settings: Settings) -> None:
    migrate(store, settings.model_copy(update={"retention": RetentionSettings(events_hours=1, max_outage_hours=0)}))
    insert(store, [event_line(1)])
    store.command("OPTIMIZE TABLE events FINAL")
    store.command("OPTIMIZE TABLE hour_activity FINAL")
    assert store.command("SELECT count() FROM events") == 1
    assert store.command("SELECT count() FROM hour_activity") == 1
