"""Figures by stage and by organisation, from snapshots of the sample log."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.domain.recount import recount
from app.queries.breakdowns import OrganizationsParameters, organizations, stages
from app.runtime.settings import Settings
from tests.integration.store.rows import event_line, insert, line_of
from tests.sample_log import read_expected, read_log

pytestmark = pytest.mark.clickhouse
FIRST, NOW = 1771113600000, 1771286400000


@dataclass
class FixedClock:
    now: int

    def now_ms(self) -> int:
        return self.now


def sample_lines() -> list[dict[str, Any]]:
    records = read_log("events.ndjson")
    lines = []
    for accepted in recount(records).accepted:
        # A supplied duration that is out of range must reach the store: else it would look for the stage's start.
        duration = json.loads(records[accepted.index].value or b"{}").get("durationMs")
        is_unusable = type(duration) is int and not 0 <= duration <= 48 * 3_600_000
        lines.append(line_of(accepted) | ({"durationMs": duration} if is_unusable else {}))
    return lines


def test_breakdowns_are_sums_of_snapshots(store: Client, settings: Settings) -> None:
    whole = OrganizationsParameters(period_type="daily", start_time=FIRST, end_time=NOW)
    assert stages(store, whole, NOW).stages == []
    assert organizations(store, whole, NOW).organizations == []
    insert(store, sample_lines())
    RollUp(store, settings, FixedClock(NOW)).run_once(NOW)
    days = read_expected("expected.json")["dailySnapshots"]
    platform = [row for row in days if "organizationId" not in row]
    named = {"transcription": "Transcription", "claimsExtraction": "ClaimsExtraction"}
    named |= {"entityResolution": "EntityResolution", "draftGeneration": "DraftGeneration"}
    for found, (stage, title) in zip(stages(store, whole, NOW).stages, named.items(), strict=True):
        failures = sum(row[f"{stage}Failures"] for row in platform)
        samples = sum(row[f"{stage}LatencySamples"] for row in platform)
        total = sum(row[f"avg{title}Latency"] * row[f"{stage}LatencySamples"] for row in platform)
        assert found.count == failures + sum(row[f"{stage}Successes"] for row in platform)
        assert found.failure_rate == pytest.approx(failures / found.count)
        assert found.avg_latency == pytest.approx(total / samples)
    known = len({row["organizationId"] for row in days if "organizationId" in row})
    for limit, is_cut in ((2, True), (known, False)):
        cut = organizations(store, msgspec.structs.replace(whole, limit=limit), NOW)
        assert (len(cut.organizations), cut.truncated) == (limit, is_cut)
    rows = msgspec.to_builtins(organizations(store, whole, NOW).organizations)
    own = {row["organizationId"] for row in days if "organizationId" in row}
    assert {row["organizationId"] for row in rows} == own
    assert [(-row["artifactsReceived"], row["organizationId"]) for row in rows] == sorted(
        (-row["artifactsReceived"], row["organizationId"]) for row in rows
    )
    for row in rows:
        mine = [day for day in days if day.get("organizationId") == row["organizationId"]]
        for name in ("artifactsReceived", "artifactsCompleted", "artifactsFailed", "totalAICost", "endToEndSamples"):
            assert row[name] == pytest.approx(sum(day[name] for day in mine)), name


def test_sums_over_periods_are_exact_to_the_last_digit(store: Client, settings: Settings) -> None:
    # 49 durations and ways of 1 ms together: their mean times 49 is a little less than 1 in floating point.
    lines: list[dict[str, Any]] = []
    for number in range(49):
        known = {"artifactId": f"art_{number}", "organizationId": "o", "durationMs": int(number == 0)}
        for kind, late_ms, cost in (("artifact_received", 0, 0.0), ("artifact_completed", int(number == 0), 0.0)):
            at = {"eventId": str(uuid.uuid4()), "eventType": kind, "timestamp": FIRST + late_ms}
            lines.append(event_line(len(lines), **known, **at, metadata={"aiCost": cost}))
        at = {"eventId": str(uuid.uuid4()), "eventType": "claims_extracted", "timestamp": FIRST}
        lines.append(event_line(len(lines), **known, **at, metadata={}))
    for hour, cost in enumerate((0.1, 0.2, 0.3)):
        at = {"eventId": str(uuid.uuid4()), "timestamp": FIRST + hour * 3_600_000, "organizationId": "o"}
        lines.append(event_line(len(lines), eventType="drafts_generated", **at, metadata={"aiCost": cost}))
    insert(store, lines)
    RollUp(store, settings, FixedClock(NOW)).run_once(NOW)
    whole = OrganizationsParameters(start_time=FIRST, end_time=NOW)
    assert stages(store, whole, NOW).stages[1].avg_latency == 1 / 49
    [found] = organizations(store, whole, NOW).organizations
    assert (found.avg_latency, found.total_ai_cost) == (1 / 49, 0.6)
