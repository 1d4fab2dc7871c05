"""Keeps the table of artifacts up to date with the stored events while a worker runs."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import structlog
from clickhouse_connect.driver.client import Client

from app.domain.artifacts import ArtifactEvent, ArtifactState, fold_artifact
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings, Settings
from sinks.clickhouse.client import StoreError, clear_errors, connect

log = structlog.get_logger(__name__)

INTERVAL_SECONDS: Final = 1.0
PAGE: Final = 1000
# A block becomes visible after its stored_at was taken: as a rule at once, but a slow insert takes its time. Every
# look goes back a little, and now and then one goes back by far.
OVERLAP_MS: Final = 5_000
WIDE_OVERLAP_MS: Final = 120_000
WIDE_EVERY: Final = 60
COUNT_BITS: Final = 20
COLUMNS: Final = ("version", *ArtifactState.__struct_encode_fields__)
TEXTS: Final = frozenset(
    {
        "status",
        "organizationId",
        "coachUserId",
        "voiceNoteId",
        "sourceChannel",
        "stage",
        "failedStage",
        "lastErrorMessage",
        "lastErrorCode",
        "waitingFor",
    }
)

# The page's end comes from all shards together; the rows of an artifact are on one of them.
_LAST_OF_PAGE: Final = """
SELECT count(), max(artifactId) FROM (
    SELECT DISTINCT artifactId FROM artifact_state
    WHERE last_stored >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND artifactId > {after:String}
    ORDER BY artifactId LIMIT {page:UInt32}
)"""
_PAGE: Final = """
SELECT artifactId, toUnixTimestamp64Milli(max(last_stored)) AS stored_ms, toJSONString(minMap(events)) AS history
FROM artifact_state
WHERE artifactId > {after:String} AND artifactId <= {last:String} AND artifactId IN (
    SELECT artifactId FROM artifact_state
    WHERE last_stored >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND artifactId > {after:String} AND artifactId <= {last:String}
)
GROUP BY artifactId
SETTINGS output_format_json_quote_64bit_integers = 0"""
_INSERT_SETTINGS: Final = {
    "async_insert": "0",
    # The same rows again after a lost answer are no mistake: they replace themselves.
    "insert_deduplicate": "0",
}
_histories: Final = msgspec.json.Decoder(dict[str, ArtifactEvent])


class ArtifactRefresh:
    """Brings the table up to date; any number of them at once write the same rows."""

    def __init__(self, client: Client, settings: ClickHouseSettings) -> None:
        self._client = client
        self._settings = settings
        self._stored_ms: int | None = None
        self._looks = 0

    def run_once(self) -> int:
        """Number of artifacts written: all that were touched since the last run, or since the table's newest row.

        Raises SinkUnavailable if ClickHouse does not answer, StoreError if it refuses; then the next run begins where
        this one did.
        """
        with clear_errors(self._settings):
            if self._stored_ms is None:
                self._stored_ms = self._newest("SELECT bitShiftRight(max(version), 20) FROM artifacts")
            newest_ms = self._newest("SELECT toUnixTimestamp64Milli(max(last_stored)) FROM artifact_state")
            is_wide = self._looks % WIDE_EVERY == 0
            if newest_ms <= self._stored_ms - OVERLAP_MS and not is_wide:
                return 0
            from_ms = self._stored_ms - (WIDE_OVERLAP_MS if is_wide else OVERLAP_MS)
            written = sum(self._write(rows) for rows in self._pages(max(0, from_ms)))
        self._stored_ms = max(self._stored_ms, newest_ms)
        self._looks += 1
        return written

    def _newest(self, statement: str) -> int:
        return int(self._client.query(statement).result_rows[0][0] or 0)

    def _pages(self, from_ms: int) -> Iterator[list[list[Any]]]:
        after, found = "", PAGE
        while found == PAGE:
            bounds: dict[str, Any] = {"from_ms": from_ms, "after": after}
            [(found, last)] = self._client.query(_LAST_OF_PAGE, parameters=bounds | {"page": PAGE}).result_rows
            if found:
                rows = self._client.query(_PAGE, parameters=bounds | {"last": last}).result_rows
                yield [_row(artifact_id, stored_ms, history) for artifact_id, stored_ms, history in rows]
            after = last

    def _write(self, rows: list[list[Any]]) -> int:
        self._client.insert("artifacts", rows, column_names=COLUMNS, settings=_INSERT_SETTINGS)
        return len(rows)


def _row(artifact_id: str, stored_ms: int, history: str) -> list[Any]:
    events = _histories.decode(history)
    for event_id, event in events.items():
        event.event_id = event_id
    state = fold_artifact(artifact_id, events.values())
    values = (getattr(state, name) for name in state.__struct_fields__)
    shown = [
        "" if value is None and column in TEXTS else value for column, value in zip(COLUMNS[1:], values, strict=True)
    ]
    return [stored_ms << COUNT_BITS | min(len(events), (1 << COUNT_BITS) - 1), *shown]


async def keep_artifacts(settings: Settings) -> None:
    """Write the state of every artifact soon after its events are stored, for ever.

    While ClickHouse does not answer nothing is lost: the next run begins where the last one ended.
    """
    refresh: ArtifactRefresh | None = None
    fails = False
    while True:
        try:
            if refresh is None:
                refresh = ArtifactRefresh(await asyncio.to_thread(connect, settings.clickhouse), settings.clickhouse)
            await asyncio.to_thread(refresh.run_once)
            fails = False
        except (SinkUnavailable, StoreError, OSError) as error:
            if not fails:
                log.warning("Artifacts not brought up to date, trying again", reason=str(error) or type(error).__name__)
            fails, refresh = True, None
        await asyncio.sleep(INTERVAL_SECONDS)
