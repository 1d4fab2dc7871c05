from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import islice
from typing import Any

import pytest

from app.domain.event_types import ARTIFACT_STATUSES, EVENT_TYPES, STAGE_OF_TYPE
from app.simulator import Scheduled, SimulationOptions, Timeline, run_simulation

START = 1_771_165_805_123
HOUR = 3_600_000
PLATFORM_TYPES = {
    "circuit_breaker_opened",
    "circuit_breaker_closed",
    "budget_threshold_reached",
    "budget_exceeded",
    "rate_limit_hit",
}
ENDS = {
    "transcription": {"transcription_completed", "transcription_failed"},
    "claims_extraction": {"claims_extracted", "claims_extraction_failed"},
    "entity_resolution": {"entity_resolution_completed", "entity_needs_disambiguation", "entity_resolution_failed"},
    "draft_generation": {"drafts_generated", "draft_generation_failed"},
}
METADATA_KEYS = {
    "sourceChannel", "transcriptDuration", "transcriptWordCount", "confidenceScore", "claimCount", "entityCount",
    "draftCount", "autoResolvedCount", "disambiguationCount", "aiModel", "aiCost", "retryAttempt",
}  # fmt: skip
EVERYTHING = SimulationOptions(
    rate=400, seconds=25, seed=7, failure_rate=0.2, duplicate_rate=0.05, late_rate=0.1, organisations=4
)


class ManualClock:
    """Waiting moves it; set after `stops_after_ms`, it stands in for the stop event too."""

    def __init__(self, stops_after_ms: float = float("inf")) -> None:
        self.ms = float(START)
        self._end = START + stops_after_ms

    def now_ms(self) -> int:
        return int(self.ms)

    def is_set(self) -> bool:
        return self.ms >= self._end

    def wait(self, timeout: float) -> bool:
        self.ms += timeout * 1000
        return self.is_set()


class Target:
    def __init__(self, clock: ManualClock, full_after: int = 10**9) -> None:
        self.sent: list[tuple[int, Mapping[str, object]]] = []
        self._clock = clock
        self._full_after = full_after

    def publish(self, event: Mapping[str, object]) -> bool:
        if len(self.sent) >= self._full_after:
            return False
        self.sent.append((self._clock.now_ms(), event))
        return True


@pytest.fixture(scope="module")
def records() -> list[Scheduled]:
    return list(Timeline(EVERYTHING, START))


@pytest.fixture(scope="module")
def lives(records: list[Scheduled]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if not record.is_duplicate and "artifactId" in record.event:
            found[str(record.event["artifactId"])].append(record.event)
    return found


def test_the_same_seed_and_start_give_the_same_records(records: list[Scheduled]) -> None:
    assert list(Timeline(EVERYTHING, START)) == records


def test_another_start_or_seed_gives_other_event_ids(records: list[Scheduled]) -> None:
    ids = {record.event["eventId"] for record in records}
    for options, start in ((EVERYTHING, START + 1), (SimulationOptions(seed=8), START)):
        assert not ids & {record.event["eventId"] for record in Timeline(options, start)}


def test_a_simulation_has_exactly_rate_times_seconds_records_at_even_distances(records: list[Scheduled]) -> None:
    assert [record.send_at_ms for record in records] == [START + int(slot * 1000 / 400) for slot in range(400 * 25)]


def test_all_27_types_appear(records: list[Scheduled]) -> None:
    assert {record.event["eventType"] for record in records} == set(EVENT_TYPES)


def test_the_first_second_already_moves_counters_of_every_stage() -> None:
    types = {record.event["eventType"] for record in Timeline(SimulationOptions(rate=200, seconds=1), START)}
    assert types >= {
        "artifact_received",
        "transcription_completed",
        "claims_extracted",
        "entity_resolution_completed",
        "drafts_generated",
        "artifact_completed",
    }


def test_only_resends_repeat_an_event_id_and_they_repeat_the_whole_event(records: list[Scheduled]) -> None:
    first: dict[object, dict[str, object]] = {}
    for record in records:
        assert record.is_duplicate == (record.event["eventId"] in first)
        assert first.setdefault(record.event["eventId"], record.event) == record.event


def test_the_asked_shares_of_failures_resends_and_late_events_are_met(
    records: list[Scheduled], lives: dict[str, list[dict[str, Any]]]
) -> None:
    distinct = [record for record in records if not record.is_duplicate]
    late = sum(1 for record in distinct if record.is_late)
    failed = sum(1 for life in lives.values() if any(event["eventType"] == "artifact_failed" for event in life))
    assert (len(records) - len(distinct)) / len(distinct) == pytest.approx(0.05, abs=0.012)
    assert late / len(distinct) == pytest.approx(0.1, abs=0.04)
    assert failed / len(lives) == pytest.approx(0.2, abs=0.05)


def test_late_events_are_sent_two_minutes_to_48_hours_after_they_happened_and_others_at_once(
    records: list[Scheduled],
) -> None:
    for record in records:
        age = record.send_at_ms - int(str(record.event["timestamp"]))
        if record.is_late:
            assert 2 * 60_000 <= age < 48 * HOUR
        elif not record.is_duplicate:
            assert age == 0


def test_without_rates_nothing_is_resent_late_or_failed() -> None:
    records = list(Timeline(SimulationOptions(rate=200, seconds=10, failure_rate=0), START))
    assert not any(record.is_duplicate or record.is_late for record in records)
    assert not any("failed" in str(record.event["eventType"]) for record in records)


def test_every_started_stage_has_exactly_one_end_with_its_times(lives: dict[str, list[dict[str, Any]]]) -> None:
    for life in lives.values():
        for stage, ends in ENDS.items():
            started: int | None = None
            for event in life:
                if event["eventType"] == f"{stage}_started":
                    assert started is None
                    started = event["stageStartedAt"]
                elif event["eventType"] in ends:
                    is_without_start = (
                        event.get("metadata", {}).get("aiModel") == "user_typed"
                        or event.get("previousStatus") == "needs_disambiguation"
                    )
                    assert (started is None) == is_without_start
                    assert event["stageStartedAt"] == (event["stageCompletedAt"] if started is None else started)
                    assert event["stageCompletedAt"] == event["timestamp"]
                    started = None
            assert started is None


def test_a_life_begins_with_its_receipt_and_ends_completed_or_failed(lives: dict[str, list[dict[str, Any]]]) -> None:
    for life in lives.values():
        types = [event["eventType"] for event in life]
        assert types[0] == "artifact_received"
        assert types.count("artifact_received") == 1
        assert [name for name in types if name in {"artifact_completed", "artifact_failed"}]
        timestamps = [event["timestamp"] for event in life]
        assert timestamps == sorted(timestamps)


def test_status_changes_of_a_life_join_up(lives: dict[str, list[dict[str, Any]]]) -> None:
    for life in lives.values():
        status = "received"
        for event in life:
            if "newStatus" in event:
                assert event["previousStatus"] == status
                status = event["newStatus"]
                assert status in ARTIFACT_STATUSES


def test_retries_count_up_and_each_has_one_outcome(lives: dict[str, list[dict[str, Any]]]) -> None:
    for life in lives.values():
        asked = [event["metadata"]["retryAttempt"] for event in life if event["eventType"] == "retry_initiated"]
        ended = [
            event["metadata"]["retryAttempt"]
            for event in life
            if event["eventType"] in {"retry_succeeded", "retry_failed"}
        ]
        assert asked == ended == list(range(1, len(asked) + 1))


def test_a_life_has_one_organisation_that_only_its_first_event_may_lack(
    lives: dict[str, list[dict[str, Any]]],
) -> None:
    lacking = 0
    for life in lives.values():
        assert len({event["organizationId"] for event in life[1:]}) == 1
        lacking += "organizationId" not in life[0]
    assert 0 < lacking < len(lives) * 0.15


def test_answers_to_drafts_are_at_most_as_many_as_drafts(lives: dict[str, list[dict[str, Any]]]) -> None:
    for life in lives.values():
        count = Counter(event["eventType"] for event in life)
        drafts = [event["metadata"]["draftCount"] for event in life if event["eventType"] == "drafts_generated"]
        assert count["draft_confirmed"] + count["draft_rejected"] <= (drafts[-1] if drafts else 0)


def test_events_carry_their_stage_known_metadata_and_an_artifact_unless_they_are_of_the_platform(
    records: list[Scheduled],
) -> None:
    for record in records:
        event: dict[str, Any] = record.event
        assert ("artifactId" in event) == (event["eventType"] not in PLATFORM_TYPES)
        if not event["eventType"].startswith("retry_"):
            assert event.get("pipelineStage") == STAGE_OF_TYPE[event["eventType"]]
        metadata = event.get("metadata", {})
        assert metadata.keys() <= METADATA_KEYS
        assert 0 <= metadata.get("confidenceScore", 0) <= 1
        assert None not in event.values()


def test_an_endless_simulation_goes_on_past_any_end() -> None:
    timeline = iter(Timeline(SimulationOptions(rate=1000, seconds=None), START))
    assert sum(1 for _ in islice(timeline, 20_000)) == 20_000


def test_the_runner_sends_each_record_when_it_is_due_and_says_what_it_sent(records: list[Scheduled]) -> None:
    clock = ManualClock()
    target = Target(clock)
    summary = run_simulation(target, EVERYTHING, clock, clock)
    assert [event for _, event in target.sent] == [record.event for record in records]
    assert all(0 <= at - record.send_at_ms <= 5 for (at, _), record in zip(target.sent, records, strict=True))
    assert summary.published == len(records) == summary.distinct + summary.duplicates
    assert summary.distinct == len({record.event["eventId"] for record in records}) == sum(summary.by_type.values())
    assert summary.unfinished_artifacts == 0
    assert summary.artifacts == summary.by_type["artifact_received"]


def test_a_stopped_simulation_says_how_many_artifacts_are_unfinished() -> None:
    clock = ManualClock(stops_after_ms=5_000)
    summary = run_simulation(Target(clock), SimulationOptions(rate=100, seconds=60), clock, clock)
    assert summary.published == pytest.approx(500, abs=2)
    assert summary.unfinished_artifacts > 0


def test_events_that_the_target_does_not_take_are_dropped_and_not_published() -> None:
    clock = ManualClock()
    summary = run_simulation(Target(clock, full_after=10), SimulationOptions(rate=100, seconds=1), clock, clock)
    assert (summary.published, summary.dropped) == (10, 90)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"seconds": 0}, {"organisations": 0}, {"failure_rate": 1.1}])
def test_options_that_make_no_simulation_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rate|organisation"):
        SimulationOptions(**wrong)
