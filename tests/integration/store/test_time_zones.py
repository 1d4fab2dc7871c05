"""Host, server and session in any time zone compute the same snapshots and give the same answers."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from app.domain.event_model import PipelineEvent
from app.domain.windows import DAY_MS, HOUR_MS
from app.runtime.settings import ClickHouseSettings, Settings, inherited_environment
from tests.integration.store.reference import differences, lines_of
from tests.integration.store.rows import insert
from tests.integration.store.zone_process import answers
from tests.workers import ROOT

pytestmark = pytest.mark.clickhouse

NEW_YEAR = 1798761600000  # 2027-01-01T00:00Z
FIRST, END = NEW_YEAR - DAY_MS, NEW_YEAR + DAY_MS
# Half an hour and three quarters off the hour, and both sides of the date line.
ZONES = ("Asia/Kolkata", "America/St_Johns", "Pacific/Apia")
# Those that cut time into pieces, and one of each other kind.
QUESTIONS = ["history", "minutes", "overview", "organizations", "timeline", "artifacts", "funnel"]
TYPES = (
    "artifact_received", "transcription_started", "transcription_completed", "claims_extracted",
    "entity_needs_disambiguation", "drafts_generated", "artifact_completed", "artifact_failed",
)  # fmt: skip


def events_around_midnight() -> list[PipelineEvent]:
    """Each type in the last and the first millisecond of the year, where a leap second would be, and around hours."""
    moments = [FIRST, NEW_YEAR - HOUR_MS // 2, NEW_YEAR - 1, NEW_YEAR, NEW_YEAR + HOUR_MS // 2, END - 1]
    return [
        PipelineEvent(
            event_id=str(uuid.UUID(int=number * 100 + moment + 1)),
            event_type=name,
            timestamp=timestamp,
            artifact_id=f"art_{number % 2}",
            organization_id=f"org_{moment % 2}",
        )
        for moment, timestamp in enumerate(moments)
        for number, name in enumerate(TYPES)
    ]


def asked_in(zone: str, asked: dict[str, Any]) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "tests.integration.store.zone_process"],
        cwd=ROOT, env=inherited_environment() | {"TZ": zone}, input=orjson.dumps(asked), capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def connection(settings: ClickHouseSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json") | {"password": settings.password.get_secret_value()}


def test_every_time_zone_gives_the_same_rows_and_answers(store: Client, settings: Settings, tmp_path: Path) -> None:
    events = events_around_midnight()
    lines = lines_of(events, NEW_YEAR)
    insert(store, lines)
    expected = json.loads(orjson.dumps(answers(store, settings, FIRST, END, QUESTIONS)))
    assert expected.keys() >= set(QUESTIONS)
    assert differences(store, events, FIRST, END) == []
    assert {row["periodStart"] for row in expected["history"]["snapshots"]} == set(range(FIRST, END, HOUR_MS))

    asked = {"clickhouse": connection(settings.clickhouse), "first_ms": FIRST, "end_ms": END, "names": QUESTIONS}
    for zone in ZONES:
        # The last one has a server of its own, with the time zone of its host.
        own = zone == ZONES[-1]
        place = {"path": str(tmp_path / "engine"), "lines": lines} if own else {"path": ""}
        found = asked_in(zone, asked | place | {"zone": zone})
        assert found.pop("zone") == zone
        assert found == expected, zone
