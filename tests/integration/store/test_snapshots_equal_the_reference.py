"""The store's SQL and the plain Python of the figures, written apart from each other, agree on any log.

`pytest --hypothesis-profile thorough` tries many more logs, other ones each time.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from agents.roll_up import RollUp
from app.domain.event_model import PipelineEvent
from app.domain.windows import DAY_MS, HOUR_MS
from app.runtime.settings import Settings
from tests.integration.store.reference import differences, lines_of, pipeline_events
from tests.integration.store.rows import filled_tables, insert

pytestmark = pytest.mark.clickhouse

IS_THOROUGH = examples.default.max_examples > 100
NEW_YEAR = 1767225600000  # 2026-01-01T00:00Z, in the past, where the first event decides where hours begin
FIRST = NEW_YEAR - 2 * HOUR_MS
END = NEW_YEAR + DAY_MS
# Figures of the hours before and after midnight depend on each other through the artifacts that cross it. One event at
# the start makes every hour one that can have figures.
LOGS = st.lists(pipeline_events(FIRST, NEW_YEAR + 2 * HOUR_MS), max_size=40, unique_by=lambda event: event.event_id)
START_EVENT = PipelineEvent(
    event_id="6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c11", event_type="rate_limit_hit", timestamp=FIRST
)


@dataclass
class StandingClock:
    now: int = END

    def now_ms(self) -> int:
        return self.now


@pytest.mark.timeout(3600 if IS_THOROUGH else 300)
@examples(
    max_examples=examples.default.max_examples // 20 if IS_THOROUGH else 6,
    derandomize=not IS_THOROUGH,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(events=LOGS, data=st.data())
def test_any_order_repetition_and_lateness_with_runs_in_between_give_the_reference(
    store: Client, settings: Settings, events: list[PipelineEvent], data: st.DataObject
) -> None:
    for table in filled_tables(store):
        store.command(f"TRUNCATE TABLE {table}")
    events = [START_EVENT, *events]
    roll_up = RollUp(store, settings, StandingClock())
    for batch in draw_batches(data, lines_of(events, NEW_YEAR)):
        insert(store, batch)
        roll_up.run_once(END)
    assert differences(store, events, FIRST, END) == []
    assert hours_that_do_not_add_up(store) == []
    again = roll_up.run_once(END)
    assert (again.hours, again.days, again.rows_written) == ((), (), 0)


def draw_batches(data: st.DataObject, lines: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The lines in any order, some repeated, in up to three pieces."""
    repeated = data.draw(st.lists(st.sampled_from(lines), max_size=8), "repeated")
    sent = data.draw(st.permutations(lines + repeated), "order")
    cuts = sorted(data.draw(st.lists(st.integers(1, len(sent)), max_size=2), "cuts"))
    ends = [*cuts, len(sent)]
    pieces = [sent[first:end] for first, end in zip([0, *cuts], ends, strict=True)]
    return [piece for piece in pieces if piece]


SUMS = (
    "artifactsReceived", "artifactsCompleted", "artifactsFailed", "transcriptionSuccesses", "transcriptionFailures",
    "claimsExtractionLatencySamples", "entityResolutionSuccesses", "entityResolutionsAmbiguous", "endToEndSamples",
    "totalClaimsExtracted", "totalEntitiesResolved", "totalDraftsGenerated", "totalAICost", "draftsConfirmed",
)  # fmt: skip


def hours_that_do_not_add_up(client: Client) -> list[Any]:
    """Days and scopes whose sums are not those of their hours, in the store itself."""
    columns = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    found = {}
    for period in ("hourly", "daily"):
        rows = client.query(
            f"SELECT toUnixTimestamp(toStartOfDay(periodStart)) AS day, scope, s.organizationId AS organization, "
            f"{columns} FROM snapshots_{period}_figures AS s GROUP BY day, scope, organization ORDER BY ALL"
        ).named_results()
        found[period] = {(row["day"], row["scope"], row["organization"]): row for row in rows}
    assert found["hourly"].keys() == found["daily"].keys()
    return [
        (key, name, row[name], found["daily"][key][name])
        for key, row in found["hourly"].items()
        for name in SUMS
        if row[name] != pytest.approx(found["daily"][key][name], rel=1e-9, abs=1e-9)
    ]
