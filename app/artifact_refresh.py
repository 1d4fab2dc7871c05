"""Keeps the table of artifacts up to date with the stored events while a worker runs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from app.domain.artifacts import ArtifactEvent, ArtifactState, fold_artifact
from app.duty import IsOnDuty
from app.keeping import Pace, keep_up
from app.open_artifacts import OpenArtifacts
from app.queries.fields import LATEST_MS
from app.runtime.settings import ClickHouseSettings, Settings
from app.runtime.telemetry import Telemetry
from sinks.clickhouse.client import DURABLE_INSERT, clear_errors

# A single slow look, such as the first of a cold store, must not leave the table old for a quarter of a minute.
PACE: Final = Pace(shortest=1.0, times=4, longest=3.0, behind=10.0)
# Every page looks through all that was stored lately.
PAGE: Final = 20_000
# A block becomes visible after its stored_at was taken: as a rule at once, but a slow insert takes its time. Every
# look goes back a little, now and then one goes back by far, and some follow the last change.
OVERLAP_MS: Final = 2_000
WIDE_OVERLAP_MS: Final = 120_000
WIDE_EVERY: Final = 60
LOOKS_AFTER_CHANGE: Final = 3
# Who is further behind goes by stretches of so many rows: a group of all that is left might not fit into memory.
FAR_BEHIND_MS: Final = 180_000
STRETCH_ROWS: Final = 500_000
COUNT_BITS: Final = 20
COUNT_MASK: Final = (1 << COUNT_BITS) - 1
MOST_EVENTS: Final = 10_000
"""An id with more events is none of an artifact: some ten belong to one, some hundred after many retries."""
COLUMNS: Final = ("version", *ArtifactState.__struct_encode_fields__)
TEXTS: Final = frozenset(
    field.encode_name for field in msgspec.structs.fields(ArtifactState) if field.type == (str | None)
)

# How far the table is, and its lists: a view fills them out of it, and not if that failed.
_FIRST: Final = f"""
SELECT bitShiftRight(least(r.newest, c.newest, if(f.newest < r.newest_failure, f.newest, r.newest)), {COUNT_BITS})
FROM (SELECT max(version) AS newest, maxIf(version, failedAt IS NOT NULL) AS newest_failure FROM artifact_rows) AS r,
     (SELECT max(version) AS newest FROM artifacts_by_creation) AS c,
     (SELECT max(version) AS newest FROM artifacts_by_failure) AS f"""  # noqa: S608  (a number of ours)
# Of all events, those without an artifact among them: a few rows, while artifact_state has one for each artifact.
_NEWEST: Final = "SELECT toUnixTimestamp64Milli(max(last_stored)) FROM hour_activity"
# Artifacts in the order in which they were stored last, so that the newest row of the table says how far it is.
_LAST_OF_PAGE: Final = """
SELECT count(), max((stored_ms, artifactId)), groupArrayIf(artifactId, size > {most:UInt32}) FROM (
    SELECT toUnixTimestamp64Milli(max(last_stored)) AS stored_ms, artifactId, sum(length(events)) AS size
    FROM artifact_state
    WHERE last_stored >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND last_stored <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
      AND artifactId NOT IN (SELECT artifactId FROM overgrown_artifacts)
    GROUP BY artifactId
    HAVING (stored_ms, artifactId) > ({from_ms:Int64}, {after:String})
    ORDER BY stored_ms, artifactId LIMIT {page:UInt32}
)"""
# Where the next so many rows end, in the order in which they were stored.
_STRETCH: Final = """
SELECT count(), toUnixTimestamp64Milli(max(stored)) FROM (
    SELECT last_stored AS stored FROM artifact_state
    WHERE last_stored >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    ORDER BY stored LIMIT {rows:UInt32}
)"""
# In a cluster the bounds come from all shards together; the rows of an artifact are on one of them.
_PAGE: Final = """
WITH fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') AS until
SELECT artifactId, toUnixTimestamp64Milli(maxIf(last_stored, last_stored <= until)) AS known_ms,
    toJSONString(minMap(events)) AS history
FROM artifact_state
WHERE artifactId IN (
    SELECT artifactId FROM artifact_state
    WHERE last_stored >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND last_stored <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
      AND artifactId NOT IN (SELECT artifactId FROM overgrown_artifacts)
    GROUP BY artifactId
    HAVING (toUnixTimestamp64Milli(max(last_stored)), artifactId) > ({from_ms:Int64}, {after:String})
       AND (toUnixTimestamp64Milli(max(last_stored)), artifactId) <= ({to_ms:Int64}, {last:String})
)
GROUP BY artifactId
ORDER BY known_ms, artifactId
SETTINGS output_format_json_quote_64bit_integers = 0"""
_histories: Final = msgspec.json.Decoder(dict[str, ArtifactEvent])


class ArtifactRefresh:
    """Brings the table up to date; any number of them at once write the same rows."""

    def __init__(self, client: Client, settings: ClickHouseSettings, telemetry: Telemetry | None = None) -> None:
        self._client = client
        self._telemetry = telemetry or Telemetry()
        self._settings = settings
        self._open = OpenArtifacts(client)
        self._done_ms: int | None = None
        self._newest_ms = -1
        self._looks = 0
        self._quiet_looks = 0

    def run_once(self) -> int:
        """Number of artifacts written: all that were touched since the last run, or since the table's newest row.

        Raises SinkUnavailable if ClickHouse does not answer, StoreError if it refuses; then the next run begins where
        this one ended.
        """
        with clear_errors(self._settings):
            if self._done_ms is None:
                self._done_ms = self._moment(_FIRST)
            overlap_ms = self._overlap_ms()
            if overlap_ms is None:
                return 0
            self._open.start()
            written = 0
            for rows, stored_ms in self._pages(max(0, self._done_ms - overlap_ms)):
                self._give_up([row[1] for row in rows if row[0] & COUNT_MASK > MOST_EVENTS])
                if rows:
                    self._client.insert("artifact_rows", rows, column_names=COLUMNS, settings=DURABLE_INSERT)
                    self._open.take(dict(zip(COLUMNS, row, strict=True)) for row in rows)
                written += len(rows)
                self._done_ms = max(self._done_ms, stored_ms)
            self._open.publish()
        return written

    def close(self) -> None:
        """The connection is closed."""
        self._client.close()

    def _overlap_ms(self) -> int | None:
        """How far the next look goes back, None if nothing can have changed."""
        before_ms, self._newest_ms = self._newest_ms, self._moment(_NEWEST)
        self._quiet_looks = 0 if before_ms != self._newest_ms else self._quiet_looks + 1
        is_wide = self._looks % WIDE_EVERY == 0
        self._looks += 1
        if self._quiet_looks > (2 * WIDE_EVERY if is_wide else LOOKS_AFTER_CHANGE):
            return None
        return WIDE_OVERLAP_MS if is_wide else OVERLAP_MS

    def _moment(self, statement: str) -> int:
        return int(self._client.query(statement).result_rows[0][0] or 0)

    def _give_up(self, artifact_ids: Sequence[str]) -> None:
        """Keep no state of these ids from now on: reading it would fail one day, for all artifacts."""
        if artifact_ids:
            rows = [[artifact_id] for artifact_id in artifact_ids]
            self._client.insert("overgrown_artifacts", rows, column_names=["artifactId"], settings=DURABLE_INSERT)
            self._telemetry.artifacts_overgrown(artifact_ids, MOST_EVENTS)

    def _pages(self, from_ms: int) -> Iterator[tuple[list[list[Any]], int]]:
        """Rows of the artifacts stored from then on, and when the last of them was stored, page by page.

        An artifact that was stored again behind a stretch is met again there.
        """
        until_ms = 0
        while until_ms < LATEST_MS:
            until_ms = self._end_of_stretch(from_ms)
            yield from self._pages_of(from_ms, until_ms)
            from_ms = until_ms + 1

    def _end_of_stretch(self, from_ms: int) -> int:
        if self._newest_ms - from_ms <= FAR_BEHIND_MS:
            return LATEST_MS
        asked = {"from_ms": from_ms, "rows": STRETCH_ROWS}
        [(found, last_ms)] = self._client.query(_STRETCH, parameters=asked).result_rows
        return int(last_ms) if found == STRETCH_ROWS else LATEST_MS

    def _pages_of(self, from_ms: int, until_ms: int) -> Iterator[tuple[list[list[Any]], int]]:
        found, to_ms, last = PAGE, from_ms, ""
        while found == PAGE:
            bounds: dict[str, Any] = {"from_ms": to_ms, "until_ms": until_ms, "after": last}
            asked = bounds | {"page": PAGE, "most": MOST_EVENTS}
            [(found, (to_ms, last), overgrown)] = self._client.query(_LAST_OF_PAGE, parameters=asked).result_rows
            self._give_up(overgrown)
            if found:
                rows = self._client.query(_PAGE, parameters=bounds | {"to_ms": to_ms, "last": last}).result_rows
                yield (
                    [refreshed_row(artifact_id, stored_ms, history) for artifact_id, stored_ms, history in rows],
                    to_ms,
                )


def refreshed_row(artifact_id: str, stored_ms: int, history: str) -> list[Any]:
    """The row of an artifact, in the order of COLUMNS, out of its events as JSON by event id.

    Without an event, as all of them turned out to be copies of other ones, it is a row that no reader shows.
    """
    events = _histories.decode(history)
    for event_id, event in events.items():
        event.event_id = event_id
    state = fold_artifact(artifact_id, events.values()) if events else _nothing(artifact_id)
    values = (getattr(state, name) for name in state.__struct_fields__)
    shown = [
        "" if value is None and column in TEXTS else value for column, value in zip(COLUMNS[1:], values, strict=True)
    ]
    return [stored_ms << COUNT_BITS | min(len(events), COUNT_MASK), *shown]


def _nothing(artifact_id: str) -> ArtifactState:
    """Not active, and older than any retention."""
    return ArtifactState(artifact_id=artifact_id, created_at=0, updated_at=0, retry_count=0, open_disambiguations=0)


async def keep_artifacts(
    settings: Settings, telemetry: Telemetry, is_on_duty: IsOnDuty, is_behind: Callable[[], bool]
) -> None:
    """Write the state of every artifact soon after its events are stored, while on duty, for ever.

    While ClickHouse does not answer nothing is lost: the next run begins where the last one ended.
    """
    store = settings.clickhouse
    complaint = "Artifacts not brought up to date, trying again"
    await keep_up(
        store,
        lambda client: ArtifactRefresh(client, store, telemetry),
        PACE,
        complaint,
        is_on_duty,
        is_behind=is_behind,
    )
