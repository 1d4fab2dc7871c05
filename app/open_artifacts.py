"""How many artifacts are active, and how many names wait for a person, kept up to date beside the table of artifacts.

The table has millions of rows, and of an artifact often more than one until they are merged, so no question may count
it. A worker counts it once at its start, and then follows the rows that it writes.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from app.domain.event_types import ACTIVE_STATUSES
from sinks.clickhouse.client import DURABLE_INSERT

NEEDED: Final = ("artifactId", "version", "organizationId", "stage", "status", "openDisambiguations")
_OPEN: Final = f"""
SELECT {", ".join(NEEDED)} FROM artifact_rows FINAL
WHERE status IN ('received', 'transcribing', 'transcribed', 'processing') OR openDisambiguations > 0"""  # noqa: S608
_TOTALS: Final = "SELECT organizationId, stage, t.active, t.open FROM artifact_totals AS t FINAL"


READ_AGAIN_SECONDS: Final = 3600.0
_Key = tuple[str, str]


class _Open(NamedTuple):
    version: int
    organization_id: str
    stage: str
    is_active: bool
    open: int


class OpenArtifacts:
    """Artifacts that are active or have open names, and their number by organisation and stage."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, _Open] = {}
        self._read_at = -READ_AGAIN_SECONDS
        self._published: dict[_Key, tuple[int, int]] = {}

    def start(self) -> None:
        """Read the table, if that was not done lately: rows can be deleted. Raises what the client raises."""
        if time.monotonic() - self._read_at >= READ_AGAIN_SECONDS:
            self._read()

    def _read(self) -> None:
        rows = self._client.query(_OPEN).named_results()
        self._known = {}
        self.take(rows)
        self._read_at = time.monotonic()

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Artifacts that have been written, with the columns `NEEDED`; the greatest version of an artifact counts."""
        known = self._known
        for row in rows:
            artifact_id, version = row["artifactId"], row["version"]
            before = known.get(artifact_id)
            if before is not None and before.version > version:
                continue
            is_active, waiting = row["status"] in ACTIVE_STATUSES, row["openDisambiguations"]
            if is_active or waiting:
                known[artifact_id] = _Open(version, row["organizationId"], row["stage"], is_active, waiting)
            else:
                known.pop(artifact_id, None)

    def publish(self) -> None:
        """Write the totals that differ from the stored ones, whoever wrote those. Raises what the client raises.

        Workers that know the same write the same; one that is behind is put right by the next one that looks.
        """
        rows = self._client.query(_TOTALS).result_rows
        stored = {(organization, stage): (active, waiting) for organization, stage, active, waiting in rows}
        if self._published.keys() - stored.keys():
            self._read()  # what was deleted there was deleted from the table before
        wanted = self._totals()
        changed = [
            [*key, *wanted.get(key, (0, 0))]
            for key in wanted.keys() | stored.keys()
            if wanted.get(key, (0, 0)) != stored.get(key, (0, 0))
        ]
        if changed:
            columns = ("organizationId", "stage", "active", "open")
            self._client.insert("artifact_totals", changed, column_names=columns, settings=DURABLE_INSERT)
        self._published = wanted

    def _totals(self) -> dict[_Key, tuple[int, int]]:
        totals: dict[_Key, list[int]] = defaultdict(lambda: [0, 0])
        for artifact in self._known.values():
            total = totals[artifact.organization_id, artifact.stage]
            total[0] += artifact.is_active
            total[1] += artifact.open
        return {key: (active, waiting) for key, (active, waiting) in totals.items()}
