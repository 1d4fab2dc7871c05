"""The reference of every snapshot figure, against the sample and the worked example."""

from typing import Any

import pytest

from app.domain.events import PipelineEvent
from app.domain.recount import recount
from app.domain.rollups import PeriodType, snapshots
from app.domain.windows import DAY_MS, HOUR_MS
from tests.sample_log import read_expected, read_log

IDENTITY = {"organizationId", "periodStart", "periodEnd", "periodType"}
START = 1771146000000
LOGS = ["events.ndjson", "worked_example.ndjson"]
PERIODS: list[PeriodType] = ["hourly", "daily"]


def _expected(log: str) -> dict[str, Any]:
    return read_expected("expected.json" if log == "events.ndjson" else "worked_example_expected.json")


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("period_type", PERIODS)
def test_every_field_of_every_row_is_as_expected(log: str, period_type: PeriodType) -> None:
    expected = _expected(log)
    bounds = expected["range"]
    name = "hours" if period_type == "hourly" else "days"
    found = snapshots(recount(read_log(log)).events, period_type, bounds[f"{name}From"], bounds[f"{name}To"])
    wanted = {(row["periodStart"], row.get("organizationId")): row for row in expected[f"{period_type}Snapshots"]}
    assert found.keys() == wanted.keys()
    for key, row in wanted.items():
        figures = {field: value for field, value in row.items() if field not in IDENTITY}
        assert found[key] == pytest.approx(figures, abs=1e-9, rel=1e-9)


def _event(number: int, event_type: str, timestamp: int, **fields: Any) -> PipelineEvent:
    event_id = f"00000000-0000-4000-8000-{number:012}"
    return PipelineEvent(event_id=event_id, event_type=event_type, timestamp=timestamp, artifact_id="a", **fields)  # type: ignore[arg-type]


def _row(*events: PipelineEvent) -> dict[str, int | float]:
    return snapshots(list(events), "daily", START - START % DAY_MS, START - START % DAY_MS + DAY_MS)[
        START - START % DAY_MS, None
    ]


def test_an_idle_period_is_a_row_of_zeros() -> None:
    found = snapshots([], "hourly", START, START + 2 * HOUR_MS)
    assert found.keys() == {(START, None), (START + HOUR_MS, None)}
    assert set(found[START, None].values()) == {0}


def test_a_stage_is_paired_with_its_latest_start_and_on_a_tie_with_the_greatest_id() -> None:
    starts = [
        _event(1, "transcription_started", START),
        _event(3, "transcription_started", START + 500, stage_started_at=START + 100),
        _event(2, "transcription_started", START + 500, stage_started_at=START + 400),
        _event(4, "transcription_started", START + 2000),
    ]
    assert _row(*starts, _event(5, "transcription_completed", START + 1000))["avgTranscriptionLatency"] == 900


@pytest.mark.parametrize("duration_ms", [-1, 48 * HOUR_MS + 1])
def test_a_supplied_duration_out_of_range_is_none_and_is_not_replaced_by_pairing(duration_ms: int) -> None:
    row = _row(
        _event(1, "transcription_started", START),
        _event(2, "transcription_completed", START + 1000, duration_ms=duration_ms),
    )
    assert (row["transcriptionLatencySamples"], row["transcriptionSuccesses"]) == (0, 1)


def test_a_later_completion_adds_no_end_to_end_sample() -> None:
    row = _row(
        _event(1, "artifact_received", START),
        _event(2, "artifact_completed", START + 2000),
        _event(3, "artifact_completed", START + 9000),
    )
    assert (row["endToEndSamples"], row["p95EndToEndLatency"]) == (1, 2000)
