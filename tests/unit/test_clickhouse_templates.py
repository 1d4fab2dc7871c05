import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from app.queries.minutes import WHOLE_SUMS
from app.runtime.settings import RetentionSettings
from sinks.clickhouse.formulas import COUNTS, FORMULAS, LENGTHS, kinds_of
from sinks.clickhouse.templates import (
    LONGEST_HOURS,
    Template,
    artifact_hours,
    migrations,
    rollup_statement,
    ttl_hours,
    views,
)


@pytest.mark.parametrize(
    "retention",
    [
        RetentionSettings(),
        RetentionSettings(events_hours=1, max_outage_hours=0, hourly_days=1, daily_days=1, hour_activity_days=1),
        RetentionSettings(events_hours=2000, max_outage_hours=500),
    ],
)
def test_every_table_keeps_what_a_roll_up_may_still_read(retention: RetentionSettings) -> None:
    hours = ttl_hours(retention)
    open_for = retention.events_hours + retention.max_outage_hours
    assert hours["events"] > open_for
    # It counts from the hour, not from the end of its day.
    assert hours["hour_activity"] - 24 >= open_for
    assert min(hours["snapshots_hourly"], hours["snapshots_daily"]) > open_for
    # A day is open until the whole of it is too old.
    assert artifact_hours(retention) - 24 >= open_for
    assert artifact_hours(retention) >= retention.artifacts_days * 24


def test_visible_snapshots_are_on_disk() -> None:
    hours = ttl_hours(RetentionSettings())
    assert hours["snapshots_hourly"] >= 7 * 24
    assert hours["snapshots_daily"] >= 90 * 24


def test_no_setting_reaches_the_year_2106() -> None:
    endless = RetentionSettings(events_hours=10**9, hourly_days=10**9, daily_days=10**9, hour_activity_days=10**9)
    assert {*ttl_hours(endless).values(), artifact_hours(endless)} == {LONGEST_HOURS}


def test_numbers_rise_and_names_differ() -> None:
    for templates in (migrations(), views()):
        numbers = [template.number for template in templates]
        assert numbers == sorted(set(numbers))
        assert len({template.name for template in templates}) == len(templates)


def test_every_migration_statement_may_run_again() -> None:
    for migration in migrations():
        for statement in migration.statements("db", RetentionSettings()):
            assert re.match(
                r"CREATE (TABLE|MATERIALIZED VIEW) IF NOT EXISTS db\.\w+"
                r"|ALTER TABLE db\.\w+ ADD (COLUMN|INDEX) IF NOT EXISTS "
                r"|ALTER TABLE db\.\w+_mv MODIFY QUERY\s"
                r"|ALTER TABLE db\.\w+ MATERIALIZE COLUMN \w+$"
                r"|ALTER TABLE db\.\w+ MODIFY SETTING \w+ = \d+$"
                r"|DROP (TABLE|VIEW) IF EXISTS "
                # Minima, maxima, sets and replaced rows: what is inserted twice changes nothing.
                r"|INSERT INTO db\.(artifacts?_\w+|\w+_figures|error_events|breaker_\w+|minute_activity)\s",
                statement,
            )


def test_the_sums_of_a_minute_stand_in_the_order_in_which_they_are_read() -> None:
    [sums] = [migration for migration in migrations() if migration.name == "sums_of_minutes"]
    added, _ = sums.statements("db", RetentionSettings())
    assert tuple(re.findall(r"toInt64\((\w+)\)", added)) == WHOLE_SUMS


def test_every_formula_stands_in_one_place() -> None:
    """Migrations apart, whose text stays what it was."""
    root = Path(__file__).parents[2]
    texts = {
        path: " ".join(path.read_text(encoding="utf-8").split())
        for folder in ("app", "agents", "sinks", "deploy/grafana/builder")
        for path in (root / folder).rglob("*")
        if path.suffix in {".sql", ".py"} and path.parent.name != "migrations" and path.name != "formulas.py"
    }
    assert len(texts) > 200
    formulas = [" ".join(formula.split()) for formula in FORMULAS.values() if isinstance(formula, str)]
    kinds = [kinds_of(figure) for figure in COUNTS | LENGTHS if len((COUNTS | LENGTHS)[figure]) > 1]
    parts = [
        "arrayMax(before)",
        "min(receipt)",
        "min(completion)",
        "AND previousStatus = 'needs_disambiguation'",
        "1e38",
    ]
    for part in {*formulas, *kinds, *parts}:
        assert not [path.name for path, text in texts.items() if part in text], part


def test_a_name_that_is_not_filled_in_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Template(1, "typo", "CREATE TABLE {{ databse }}.x").statements("db", RetentionSettings())


@pytest.mark.parametrize(
    "name", ["hourly", "daily", "known_hours", "dirty_days", "first_hour", "hourly_rows", "closed"]
)
def test_roll_up_statements_leave_only_query_parameters_open(name: str) -> None:
    statement = rollup_statement(name)
    assert "{{" not in statement
    assert "{%" not in statement
