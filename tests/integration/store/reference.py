"""Snapshots in the store, compared with those that the reference makes of the same events; and events of any shape."""

from collections.abc import Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import strategies as st

from app.domain.event_model import Anomalies, Metadata, PipelineEvent, settle_derived
from app.domain.event_types import EVENT_TYPES
from app.domain.recount import AcceptedEvent
from app.domain.rollups import PeriodType, snapshots
from app.domain.windows import DAY_MS, HOUR_MS
from tests.integration.store.rows import line_of


def differences(client: Client, events: Sequence[PipelineEvent], first_ms: int, end_ms: int) -> list[Any]:
    """What is wrong in the hours within [first_ms, end_ms) and in the days that ended by then."""
    ranges: dict[PeriodType, tuple[int, int]] = {
        "hourly": (first_ms, end_ms),
        "daily": (first_ms - first_ms % DAY_MS, end_ms - end_ms % DAY_MS),
    }
    return [
        found for period_type, bounds in ranges.items() for found in _differences(client, events, period_type, *bounds)
    ]


def _differences(
    client: Client, events: Sequence[PipelineEvent], period_type: PeriodType, first_ms: int, end_ms: int
) -> list[Any]:
    wanted = snapshots(events, period_type, first_ms, end_ms)
    question = f"SELECT *, toUnixTimestamp(periodStart) * 1000 AS start_ms FROM snapshots_{period_type}_figures"
    rows = client.query(f"SELECT * FROM ({question}) WHERE start_ms >= {first_ms} AND start_ms < {end_ms}")
    found = {(row["start_ms"], row["organizationId"] or None): row for row in rows.named_results()}
    missing = [("row", key, period_type) for key in found.keys() ^ wanted.keys()]
    return missing + [
        (name, key, period_type, found[key][name], value)
        for key, row in wanted.items()
        if key in found
        for name, value in row.items()
        if found[key][name] != pytest.approx(value, rel=1e-9, abs=1e-9)
    ]


def lines_of(events: Sequence[PipelineEvent], append_time_ms: int) -> list[dict[str, Any]]:
    """The events as rows of a log with one partition, in this order, each with the stage of its type."""
    for event in events:
        settle_derived(event, Anomalies())
    return [line_of(AcceptedEvent(n, 0, n, append_time_ms, event)) for n, event in enumerate(events)]


@st.composite
def pipeline_events(draw: st.DrawFn, first_ms: int, end_ms: int) -> PipelineEvent:
    """Any event of few artifacts and organisations within [first_ms, end_ms), often at the very edge of an hour."""
    hour_ms = draw(st.integers(first_ms // HOUR_MS, (end_ms - 1) // HOUR_MS)) * HOUR_MS
    timestamp = hour_ms + draw(st.sampled_from([0, HOUR_MS - 1]) | st.integers(0, HOUR_MS - 1))
    counts = st.none() | st.integers(0, 2**31 - 1)
    return PipelineEvent(
        event_id=str(draw(st.uuids(version=4))),
        event_type=draw(st.sampled_from(EVENT_TYPES)),
        timestamp=timestamp,
        artifact_id=draw(st.sampled_from(["art_1", "art_2", "art_3", None])),
        organization_id=draw(st.sampled_from(["a", "b", None])),
        stage_started_at=draw(st.none() | st.integers(timestamp - 9000, timestamp + 1000)),
        stage_completed_at=draw(st.none() | st.integers(timestamp, timestamp + 500)),
        duration_ms=draw(st.sampled_from([None, -1, 0, 5000, 48 * HOUR_MS, 48 * HOUR_MS + 1])),
        previous_status=draw(st.sampled_from([None, "needs_disambiguation"])),
        metadata=draw(
            st.none()
            | st.builds(
                Metadata,
                confidence_score=st.none() | st.floats(0, 1),
                claim_count=counts,
                entity_count=counts,
                draft_count=counts,
                auto_resolved_count=counts,
                ai_cost=st.none() | st.floats(0, 1000),
            )
        ),
    )
