import re

import chdb
import pytest
from syrupy.assertion import SnapshotAssertion

from app.runtime.errors import VoicemonError
from app.runtime.settings import RetentionSettings
from sinks.clickhouse.placement import SHARDED_BY, Placement
from sinks.clickhouse.schema import STATUS_TABLE
from sinks.clickhouse.templates import migrations, views

CLUSTER = Placement("main")


def written() -> dict[str, list[str]]:
    """Every statement as it is written down, by where it is written."""
    found = {
        f"{kind}/{template.number:04}_{template.name}": template.statements("db", RetentionSettings())
        for kind, templates in (("migrations", migrations()), ("views", views()))
        for template in templates
    }
    return {"status": ["CREATE DATABASE IF NOT EXISTS db", STATUS_TABLE.format(database="db").strip()]} | found


def in_cluster() -> list[str]:
    return [placed for texts in written().values() for text in texts for placed in CLUSTER.statements(text)]


def test_the_statements_for_a_cluster_are_as_recorded(snapshot: SnapshotAssertion) -> None:
    for name, texts in written().items():
        assert "\n;\n".join(placed for text in texts for placed in CLUSTER.statements(text)) == snapshot(name=name)


def test_the_engine_reads_every_statement_for_a_cluster() -> None:
    connection = chdb.connect(":memory:")
    try:
        for statement in in_cluster():
            tree = str(connection.query(f"EXPLAIN AST {statement}", "TSVRaw"))
            assert tree.startswith(("CreateQuery", "InsertQuery", "AlterQuery", "DropQuery")), statement
    finally:
        connection.close()


def test_every_statement_runs_on_the_whole_cluster() -> None:
    # What fills a table out of others goes through their Distributed tables once.
    filled = [text for text in in_cluster() if not text.startswith("INSERT INTO")]
    assert [text for text in filled if " ON CLUSTER 'main'" not in text] == []


def test_every_stored_table_is_replicated() -> None:
    engines = [engine for text in in_cluster() for engine in re.findall(r"^ENGINE = (\w+)", text, re.MULTILINE)]
    assert {engine for engine in engines if engine != "Distributed"} == {
        "ReplicatedMergeTree",
        "ReplicatedReplacingMergeTree",
        "ReplicatedAggregatingMergeTree",
    }
    assert engines.count("Distributed") == len(SHARDED_BY)
    assert "non_replicated" not in "".join(in_cluster())


def test_materialized_views_read_and_fill_their_own_shard() -> None:
    made = [text for text in in_cluster() if text.startswith("CREATE MATERIALIZED VIEW")]
    assert made
    for text in made:
        [target] = re.findall(r" TO db\.(\w+)", text)
        tables = {target, *re.findall(r"FROM db\.(\w+)", text)}
        shards = {f"{table}_local" for table in SHARDED_BY}
        # What every server has in full fills what every server has in full.
        assert tables <= shards or not tables & (shards | set(SHARDED_BY)), "what a shard fills must be in SHARDED_BY"


def test_a_single_server_gets_tables_as_written_and_views_with_their_makers_rights() -> None:
    for name, texts in written().items():
        for text in texts:
            [placed] = Placement().statements(text)
            if name.startswith("views/") and not text.startswith("DROP VIEW IF EXISTS"):
                assert re.match(
                    r"CREATE OR REPLACE VIEW db\.\w+ DEFINER = CURRENT_USER SQL SECURITY DEFINER AS", placed
                )
                assert placed.replace(" DEFINER = CURRENT_USER SQL SECURITY DEFINER", "") == text
            else:
                assert placed == text


@pytest.mark.parametrize(
    ("statement", "placed"),
    [
        ("ALTER TABLE db.events MODIFY TTL ts", ["ALTER TABLE db.events_local ON CLUSTER 'main' MODIFY TTL ts"]),
        (
            "ALTER TABLE db.events ADD COLUMN IF NOT EXISTS a UInt8",
            [
                "ALTER TABLE db.events_local ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS a UInt8",
                "ALTER TABLE db.events ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS a UInt8",
            ],
        ),
        (
            "ALTER TABLE db.snapshots_daily ADD COLUMN IF NOT EXISTS a UInt8",
            ["ALTER TABLE db.snapshots_daily ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS a UInt8"],
        ),
        (
            "ALTER TABLE db.events_mv MODIFY QUERY SELECT a FROM db.events",
            ["ALTER TABLE db.events_mv ON CLUSTER 'main' MODIFY QUERY SELECT a FROM db.events_local"],
        ),
        ("DROP VIEW IF EXISTS db.old", ["DROP VIEW IF EXISTS db.old ON CLUSTER 'main'"]),
        (
            "DROP TABLE IF EXISTS db.events",
            [
                "DROP TABLE IF EXISTS db.events ON CLUSTER 'main'",
                "DROP TABLE IF EXISTS db.events_local ON CLUSTER 'main'",
            ],
        ),
    ],
)
def test_changes_reach_every_table_that_knows_the_columns(statement: str, placed: list[str]) -> None:
    assert CLUSTER.statements(statement) == placed


def test_a_statement_of_an_unknown_kind_is_refused_in_a_cluster() -> None:
    with pytest.raises(VoicemonError, match="not known to run in a cluster: RENAME TABLE"):
        CLUSTER.statements("RENAME TABLE db.a TO db.b")
