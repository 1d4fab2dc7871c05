"""Whether ClickHouse lets a worker in, is new enough, and takes its rows."""

import re
from collections.abc import Callable, Iterator

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from app.checks.finding import Finding
from app.runtime.clock import Clock
from app.runtime.errors import VoicemonError
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import clear_errors, connect
from sinks.clickhouse.explain import ACCESS_DENIED, READONLY, first_line
from sinks.clickhouse.schema import migrate

PART = "clickhouse"
MINIMUM_VERSION = (25, 8)
"""The oldest long-term release that the statements are written for."""

MAY_NOT = (ACCESS_DENIED, READONLY)
MOST_SKEW_MS = 60_000


def check_store(settings: Settings, clock: Clock) -> list[Finding]:
    """What there is to say; after a failed connection only that."""
    connection = f"connect to {settings.clickhouse.url} as {settings.clickhouse.user}"
    try:
        client = connect(settings.clickhouse)
    except VoicemonError as error:
        return [Finding(PART, connection, str(error))]
    try:
        with clear_errors(settings.clickhouse):
            return [Finding(PART, connection), *_StoreCheck(client, settings, clock).findings()]
    except VoicemonError as error:
        return [Finding(PART, connection, str(error))]
    finally:
        client.close()


class _StoreCheck:
    """The questions to a server that lets the user in."""

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._client.database = None  # which may not exist
        self._settings = settings
        self._store: ClickHouseSettings = settings.clickhouse
        self._clock = clock

    def findings(self) -> Iterator[Finding]:
        """One finding a question."""
        yield from map(self._asked, self._questions())

    def _questions(self) -> list[tuple[str, Callable[[], str]]]:
        minimum = ".".join(map(str, MINIMUM_VERSION))
        questions = [(f"server version at least {minimum}", self._version), ("clocks agree", self._clocks)]
        if self._store.cluster:
            questions.append((f"cluster {self._store.cluster}", self._cluster))
        if not self._is_there(f"DATABASE {self._store.database}"):
            return [*questions, (f"database {self._store.database}", self._no_database)]
        return [*questions, (f"schema of database {self._store.database}", self._schema), ("insert", self._insert)]

    def _asked(self, question: tuple[str, Callable[[], str]]) -> Finding:
        tried, ask = question
        try:
            with clear_errors(self._store):
                return Finding(PART, tried, ask())
        except VoicemonError as error:
            return Finding(PART, tried, str(error))

    def _version(self) -> str:
        found = tuple(int(number) for number in re.findall(r"\d+", self._client.server_version or "")[:2])
        if found >= MINIMUM_VERSION:
            return ""
        minimum = ".".join(map(str, MINIMUM_VERSION))
        return f"the server has version {self._client.server_version}: upgrade it to {minimum} or later"

    def _clocks(self) -> str:
        before_ms = self._clock.now_ms()
        server_ms = int(self._client.query("SELECT toUnixTimestamp64Milli(now64(3, 'UTC'))").result_rows[0][0])
        skew_ms = server_ms - (before_ms + self._clock.now_ms()) // 2
        if abs(skew_ms) <= MOST_SKEW_MS:
            return ""
        side = "ahead of" if skew_ms > 0 else "behind"
        return (
            f"the server's clock is {abs(skew_ms) / 1000:.0f} s {side} this machine's: synchronise both, with NTP "
            "for example"
        )

    def _cluster(self) -> str:
        rows = self._client.query("SELECT macro, substitution FROM system.macros").result_rows
        macros = {str(macro): str(value) for macro, value in rows}
        name = re.sub(r"\{(\w+)\}", lambda found: str(macros.get(found[1], found[0])), self._store.cluster)
        known = self._client.query(
            "SELECT count() FROM system.clusters WHERE cluster = {name:String}", parameters={"name": name}
        ).result_rows[0][0]
        if not known:
            return (
                f"the server knows no cluster {name!r}: correct VOICEMON_CLICKHOUSE_CLUSTER or add it to the server's "
                "remote_servers"
            )
        missing = sorted({"shard", "replica"} - macros.keys())
        if missing:
            return f"the server has no macro {' and no macro '.join(missing)}: add it to the server's macros"
        return ""

    def _no_database(self) -> str:
        return (
            f"there is no database {self._store.database!r}: run 'voicemon migrate', which creates it, or correct "
            "VOICEMON_CLICKHOUSE_DATABASE"
        )

    def _schema(self) -> str:
        result = migrate(self._client, self._settings, dry_run=True)
        if result.applied:
            return f"{len(result.applied)} migrations are pending: run 'voicemon migrate', or start a worker that may"
        return ""

    def _insert(self) -> str:
        if not self._is_there(f"TABLE {self._store.database}.events"):
            return "there is no table 'events' yet: run 'voicemon migrate'"
        try:
            # Rights are checked, and no row is written.
            self._client.command(f"INSERT INTO {self._store.database}.events (eventId) SELECT generateUUIDv4() WHERE 0")
        except DatabaseError as error:
            if error.code not in MAY_NOT:
                raise
            return (
                f"user {self._store.user!r} may not insert ({first_line(error)}): grant it INSERT and SELECT on "
                f"{self._store.database}.*, as deploy/clickhouse/users.sql does"
            )
        return ""

    def _is_there(self, what: str) -> bool:
        try:
            return bool(self._client.command(f"EXISTS {what}", use_database=False))
        except DatabaseError:
            return False  # the user may not even see it
