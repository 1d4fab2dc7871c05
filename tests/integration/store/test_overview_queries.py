"""The questions of the live page over the sample log, against plain Python over its events."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from app.artifact_refresh import ArtifactRefresh
from app.domain import rollups
from app.domain.event_types import STAGE_OF_TYPE, STAGES
from app.domain.recount import AcceptedEvent, recount
from app.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from app.queries.distributions import channels, confidence, funnel
from app.queries.errors import InvalidParameter
from app.queries.fields import Parameters, RangeParameters
from app.queries.minutes import minutes
from app.queries.overview import overview
from app.queries.stage_errors import StageErrorsParameters, stage_errors
from app.runtime.settings import Settings
from tests.integration.store.rows import event_line, insert, line_of
from tests.sample_log import read_expected, read_log

pytestmark = pytest.mark.clickhouse
FIRST, NOW = 1771113600000, 1771221600000
WHOLE = {"start_time": FIRST, "end_time": NOW}
ACTIVE = ("received", "transcribing", "transcribed", "processing")


@pytest.fixture
def sample(store: Client, settings: Settings) -> list[AcceptedEvent]:
    """Accepted events of the sample, part of them stored twice, as after a crash."""
    accepted = recount(read_log("events.ndjson")).accepted
    lines = [line_of(each) for each in accepted]
    for half in (lines, lines[:500]):
        insert(store, half)
    ArtifactRefresh(store, settings.clickhouse).run_once()
    return accepted


def plain(answer: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return found


def test_an_empty_store_gives_zeros(store: Client) -> None:
    found = plain(overview(store, Parameters(), NOW))
    stages = found.pop("stages")
    assert found == {
        "activeArtifacts": 0, "completedToday": 0, "failedToday": 0, "failureRateToday": 0.0, "avgEndToEndLatency": 0.0,
        "endToEndSamples": 0, "breakerState": "closed", "openDisambiguations": 0, "totalCostToday": 0.0,
    }  # fmt: skip
    assert [row.pop("stage") for row in stages] == list(STAGES[:5])
    assert {value for row in stages for value in row.values()} == {0}
    rows = plain(minutes(store, RangeParameters(), NOW))["minutes"]
    assert len(rows) == 60
    assert {value for row in rows for name, value in row.items() if name != "periodStart"} == {0}
    assert {row["artifacts"] for row in plain(funnel(store, RangeParameters(), NOW))["stages"]} == {0}
    assert {row["count"] for row in plain(confidence(store, RangeParameters(), NOW))["bins"]} == {0}
    assert plain(channels(store, RangeParameters(), NOW)) == {"channels": []}
    assert stage_errors(store, StageErrorsParameters(stage="transcription"), NOW).errors == []


def test_a_completion_whose_marks_are_not_visible_yet_is_no_sample_and_no_failure(store: Client) -> None:
    lines = [
        event_line(offset, eventType=kind, artifactId="art_1", timestamp=NOW - 60_000 + offset)
        for offset, kind in enumerate(("artifact_received", "artifact_completed"))
    ]
    insert(store, lines)
    assert overview(store, Parameters(), NOW).end_to_end_samples == 1
    # An insert is seen in `events` a moment before it is seen in the tables that are filled from it.
    receipt = store.command("SELECT min(receipt) FROM artifact_marks")
    store.command("TRUNCATE TABLE artifact_marks")
    store.insert("artifact_marks", [["art_1", receipt, "~"]], column_names=["artifactId", "receipt", "completion"])
    assert overview(store, Parameters(), NOW).end_to_end_samples == 0


@pytest.mark.parametrize("organization_id", [None, "org_001"])
def test_questions_equal_the_log(
    store: Client, sample: list[AcceptedEvent], monkeypatch: pytest.MonkeyPatch, organization_id: str | None
) -> None:
    events = [each.event for each in sample]
    own = [event for event in events if organization_id in {None, event.organization_id}]
    scope = {"organization_id": organization_id}
    overview_equals(plain(overview(store, Parameters(**scope), NOW)), events, organization_id)
    minutes_equal(store, events, organization_id, monkeypatch)
    distributions_equal(store, events, own, RangeParameters(**WHOLE, **scope))

    parameters = StageErrorsParameters(stage="transcription", **WHOLE, **scope)
    errors = plain(stage_errors(store, parameters, NOW))["errors"]
    wanted = Counter((e.error_message, e.error_code) for e in own if e.event_type == "transcription_failed")
    assert {(row.get("errorMessage"), row.get("errorCode")): row["count"] for row in errors} == wanted
    assert [row["count"] for row in errors] == sorted(wanted.values(), reverse=True)
    first = stage_errors(store, msgspec.structs.replace(parameters, limit=1), NOW).errors
    assert msgspec.to_builtins(first) == errors[:1]


def overview_equals(found: dict[str, Any], events: list[Any], organization_id: str | None) -> None:
    expected = read_expected("expected.json")
    artifacts = [row for row in expected["artifacts"] if organization_id in {None, row.get("organizationId")}]
    assert found["activeArtifacts"] == sum(row.get("status") in ACTIVE for row in artifacts)
    queues = Counter(row.get("stage") for row in artifacts if row.get("status") in ACTIVE)
    assert {row["stage"]: row["queueDepth"] for row in found["stages"]} == {
        row["stage"]: queues[row["stage"]] for row in found["stages"]
    }
    assert found["openDisambiguations"] == sum(row["openDisambiguations"] for row in artifacts)
    if organization_id is None:
        assert found["openDisambiguations"] == expected["openDisambiguations"]["total"]
    assert found["breakerState"] == expected["breakerState"]
    breakers = [event for event in events if event.event_type.startswith("circuit_breaker_")]
    assert found["breakerSince"] == max(event.timestamp for event in breakers)
    today = rollups.snapshots(events, "daily", FIRST + DAY_MS, FIRST + 2 * DAY_MS)[FIRST + DAY_MS, organization_id]
    assert found["completedToday"] == today["artifactsCompleted"]
    assert found["failedToday"] == today["artifactsFailed"]
    assert found["failureRateToday"] == pytest.approx(today["terminalFailureRate"])
    assert found["totalCostToday"] == pytest.approx(today["totalAICost"])
    ways = [
        way.length_ms
        for way in rollups.end_to_end(events)
        if NOW - DAY_MS < way.completed_ms <= NOW and organization_id in {None, way.organization_id}
    ]
    assert ways
    assert found["endToEndSamples"] == len(ways)
    assert found["avgEndToEndLatency"] == pytest.approx(sum(ways) / len(ways))


def minutes_equal(
    store: Client, events: list[Any], organization_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rollups.PERIOD_MS, "hourly", MINUTE_MS)
    wanted = rollups.snapshots(events, "hourly", FIRST, NOW)
    parameters = RangeParameters(start_time=FIRST + 1, end_time=NOW - 1, organization_id=organization_id)
    rows = plain(minutes(store, parameters, NOW))["minutes"]
    assert [row["periodStart"] for row in rows] == list(range(FIRST, NOW, MINUTE_MS))
    assert any(row["avgTranscriptionLatency"] for row in rows)
    for row in rows:
        figures: Any = wanted.get((row["periodStart"], organization_id)) or defaultdict(int)
        for name in row.keys() - {"periodStart"}:
            assert row[name] == pytest.approx(figures[name]), (name, row["periodStart"])


def distributions_equal(store: Client, events: list[Any], own: list[Any], parameters: RangeParameters) -> None:
    found = plain(funnel(store, parameters, NOW))["stages"]
    reached = {(STAGE_OF_TYPE[e.event_type], e.artifact_id) for e in own if e.artifact_id}
    wanted_funnel = Counter(stage for stage, _ in reached)
    assert {row["stage"]: row["artifacts"] for row in found} == {stage: wanted_funnel[stage] for stage in STAGES}
    if parameters == RangeParameters(**WHOLE):
        del wanted_funnel[None]
        assert wanted_funnel == read_expected("expected.json")["funnel"]["total"]
    assert all(
        row["dropOff"] == pytest.approx(1 - row["artifacts"] / before["artifacts"] if before["artifacts"] else 0)
        for before, row in pairwise(found)
    )

    bins = plain(confidence(store, parameters, NOW))["bins"]
    for kind, name in (("transcription_completed", "transcription"), ("claims_extracted", "claims")):
        scores = [e.metadata.confidence_score for e in own if e.event_type == kind and e.metadata]
        wanted = Counter(min(9, int(score * 10)) for score in scores if isinstance(score, float | int))
        assert [row[name] for row in bins] == [wanted[number] for number in range(10)]
    assert (bins[9]["from"], bins[9]["to"]) == (0.9, 1.0)

    names: dict[str, str] = {}
    for event in sorted(events, key=lambda e: (e.timestamp, e.event_id)):
        if event.artifact_id and event.metadata and event.metadata.source_channel:
            names[event.artifact_id] = event.metadata.source_channel
    rows = plain(channels(store, parameters, NOW))["channels"]
    for kind, name in (("received", "count"), ("completed", "artifactsCompleted"), ("failed", "artifactsFailed")):
        wanted_channels = Counter(
            names.get(e.artifact_id) if e.artifact_id else (e.metadata and e.metadata.source_channel) or None
            for e in own
            if e.event_type == f"artifact_{kind}"
        )
        assert {row.get("sourceChannel"): row[name] for row in rows if row[name]} == wanted_channels


def test_minutes_of_too_long_a_range_are_refused(store: Client) -> None:
    with pytest.raises(InvalidParameter, match="more than 48 hours"):
        minutes(store, RangeParameters(start_time=NOW - 49 * HOUR_MS, end_time=NOW), NOW)
