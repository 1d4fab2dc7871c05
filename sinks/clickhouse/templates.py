"""The SQL files: DDL, filled in with the database's name and the retention settings, and statements."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from jinja2 import Environment, StrictUndefined
from jinja2.meta import find_undeclared_variables

from app.runtime.settings import RetentionSettings
from sinks.clickhouse.formulas import FORMULAS

HOURS_PER_DAY = 24
# A row is on disk for longer than any roll-up may read it, also if the clocks of worker and server differ a little.
MARGIN_HOURS = 1
# Some 50 years: a date beyond 2106 would wrap, and ClickHouse would delete the rows at once.
LONGEST_HOURS = 438_000
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Template:
    """One DDL file: its number, its name and its text before anything is filled in.

    Views may use the formulas. A migration may not: what it does must not change with them.
    """

    number: int
    name: str
    text: str
    has_formulas: bool = False

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, whatever the settings are."""
        return checksum_of(self.text)

    def statements(self, database: str, retention: RetentionSettings) -> list[str]:
        """The statements in order, ready to run."""
        template = _environment().from_string(self.text)
        rendered = template.render(
            database=database,
            ttl_hours=ttl_hours(retention),
            visible_hours=visible_hours(retention),
            **(FORMULAS if self.has_formulas else {}),
        )
        without_comments = re.sub(r"^\s*--.*\n", "", rendered, flags=re.MULTILINE)
        return [statement.strip() for statement in re.split(r";\s*(?:\n|$)", without_comments) if statement.strip()]


def checksum_of(text: str) -> str:
    """SHA-256 of a text in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def migrations() -> list[Template]:
    """All migrations, oldest first."""
    return _load(files(__package__) / "migrations", has_formulas=False)


def views() -> list[Template]:
    """The reading views in the order in which they build on each other."""
    return _load(files(__package__) / "views", has_formulas=True)


@cache
def rollup_statement(name: str) -> str:
    """The statement of the roll-up with that name; what varies from run to run stays a query parameter."""
    text = (files(__package__) / "rollup" / f"{name}.sql").read_text(encoding="utf-8")
    return statement_text(text, {})


def statement_text(text: str, parts: Mapping[str, str]) -> str:
    """A statement with the formulas and these parts filled in. Raises UndefinedError for a name that is neither."""
    return _environment().from_string(text).render(**FORMULAS, **parts)


def names_within(text: str) -> set[str]:
    """Names of what a statement wants filled in, apart from the formulas."""
    environment = _environment()
    return find_undeclared_variables(environment.parse(text)) - FORMULAS.keys() - environment.globals.keys()


def ttl_hours(retention: RetentionSettings) -> dict[str, int]:
    """Hours that each table keeps a row after the later of the end of its UTC day and the time it was written.

    `hour_activity` counts from the hour itself. Snapshots outlive the events, because a day is recomputed from its
    hours for as long as one of them may change.
    """
    events = retention.events_hours + retention.max_outage_hours + MARGIN_HOURS
    hours = {
        "events": events,
        "hour_activity": max(retention.hour_activity_days * HOURS_PER_DAY, events + HOURS_PER_DAY),
        "snapshots_hourly": max(retention.hourly_days * HOURS_PER_DAY, events) + HOURS_PER_DAY,
        "snapshots_daily": max(retention.daily_days * HOURS_PER_DAY, events) + HOURS_PER_DAY,
    }
    hours |= {"hourly_figures": hours["snapshots_hourly"], "daily_figures": hours["snapshots_daily"]}
    # A row of figures counts only beside the activity of its minute.
    hours |= {"minute_figures": retention.events_hours + HOURS_PER_DAY, "minute_activity": hours["hour_activity"]}
    hours |= dict.fromkeys(("artifact_hours", "error_events"), retention.events_hours + HOURS_PER_DAY)
    return {table: min(value, LONGEST_HOURS) for table, value in hours.items()}


def artifact_hours(retention: RetentionSettings) -> int:
    """Hours that what is known of a finished artifact is kept after its last event and its last stored row.

    As long as an hour may be computed anew it needs the receipts and stage starts of its artifacts.
    """
    kept = max(retention.artifacts_days * HOURS_PER_DAY, ttl_hours(retention)["events"] + HOURS_PER_DAY)
    return min(kept, LONGEST_HOURS)


def visible_hours(retention: RetentionSettings) -> dict[str, int]:
    """Hours that readers look back: on the time of events, on the start of periods, on the end of artifacts."""
    hours = {
        "events": retention.events_hours,
        "snapshots_hourly": retention.hourly_days * HOURS_PER_DAY,
        "snapshots_daily": retention.daily_days * HOURS_PER_DAY,
        "artifacts": retention.artifacts_days * HOURS_PER_DAY,
    }
    return {name: min(value, LONGEST_HOURS) for name, value in hours.items()}


def _load(folder: Traversable, *, has_formulas: bool) -> list[Template]:
    found = []
    for file in folder.iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match:
            text = file.read_text(encoding="utf-8")
            found.append(Template(int(match[1]), match[2], text, has_formulas))
    return sorted(found, key=lambda template: template.number)


@cache
def _environment() -> Environment:
    # No HTML is made here, and the names that are filled in are checked by the settings.
    return Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
