"""Every query of Grafana's boards, variables, annotations and alerts, on the real schema as the read-only user."""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from app.queries.artifacts import StuckParameters, stuck
from app.queries.breakdowns import OrganizationsParameters, organizations
from app.queries.distributions import channels
from app.queries.events import EventsParameters, recent_events
from app.queries.fields import Parameters, RangeParameters
from app.queries.history import historical_metrics
from app.queries.known_minutes import sums_statement
from app.queries.minutes import Figures, figures_of
from app.queries.overview import overview
from app.queries.stage_errors import StageErrorsParameters, stage_errors
from deploy.grafana.builder.sql import FLOW, LABELS
from tests.grafana.frames import alert_is_right, fits_its_panel, frame_is_right, moment_of, plain
from tests.grafana.macros import EVERYTHING, Chosen, Moment
from tests.grafana.made import Asked, asked, panel, rules
from tests.grafana.stores import NAMES, Frame, Store, two_stores
from tests.integration.store.test_overview_queries import FIRST
from tests.integration.store.test_overview_queries import NOW as END

pytestmark = pytest.mark.clickhouse

WHOLE = Moment(FIRST, END - 1, interval_s=300)
WEEKS = Moment(END - 30 * 86_400_000, END - 1, interval_s=3600)
QUERIES = list({(query.sql, query.format): query for query in reversed(list(asked()))}.values())[::-1]


UNTOUCHED = {"org": EVERYTHING, "stage": EVERYTHING, "model": EVERYTHING, "search": "", "artifact": "art_00024"}
"""The variables as they are when a board is opened, and an artifact."""
PICKED = Chosen({
    "org": ("org_001", "O'Brien"), "stage": ("transcription", "claims_extraction"), "model": ("gpt-4o", "a'b"),
    "artifact": "it's", "search": "it's",
})  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    with two_stores(tmp_path_factory.mktemp("grafana")) as both:
        yield both


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_every_query_gives_the_frame_that_its_panel_needs(stores: tuple[Store, Store], query: Asked) -> None:
    filled, empty = stores
    found = filled.ask(query.sql, WHOLE, Chosen(UNTOUCHED) if query.in_browser else None)
    frame_is_right(found, query, WHOLE)
    assert found.rows
    if not query.in_browser:
        alert_is_right(found)
    nothing = empty.ask(query.sql, WEEKS, PICKED if query.in_browser else None)
    frame_is_right(nothing, query, WEEKS)
    assert (nothing.names, nothing.types) == (found.names, found.types)
    if query.panel:
        fits_its_panel(found, query)


def test_variables_offer_values_and_annotations_have_their_columns(stores: tuple[Store, Store]) -> None:
    filled, _ = stores
    for query in QUERIES:
        name = query.place.split("/")[-1]
        if query.panel or not query.in_browser:
            continue
        frame = filled.ask(query.sql, WHOLE, Chosen(UNTOUCHED))
        if name.startswith("$"):
            assert frame.names in (("value",), ("value", "label"))
            assert {plain(kind) for kind in frame.types} == {"String"}
            assert name != "$org" or next(iter(NAMES.items())) in {(value, label) for value, label in frame.rows}
        else:
            assert frame.names == ("time", "title", "text", "tags")
            times = [moment_of(time) for time in frame.column("time")]
            assert all(later <= earlier for earlier, later in pairwise(times))


def test_the_figures_of_some_minutes_are_kept_and_those_of_others_are_not(stores: tuple[Store, Store]) -> None:
    [(kept, left)] = (
        stores[0].api.query("SELECT countIf(kept_at > 0), countIf(kept_at = 0) FROM minute_state").result_rows
    )
    assert kept > 50
    assert left > 50


class Board:
    """Answers to the panels of the boards, of one organisation or of all."""

    def __init__(self, store: Store, organization_id: str | None) -> None:
        self._store = store
        self._chosen = Chosen(UNTOUCHED | ({"org": (organization_id,)} if organization_id else {}))

    def frame(self, board: str, number: int, moment: Moment = WHOLE, query: int = 0) -> Frame:
        target = panel(board, number)["targets"][query]
        return self._store.ask(target["rawSql"], moment, self._chosen)

    def value(self, board: str, number: int) -> Any:
        [[value]] = self.frame(board, number).rows
        return value

    def total(self, board: str, number: int, column: str) -> Any:
        return sum(float(str(value)) for value in self.frame(board, number).column(column))


@pytest.mark.parametrize("organization_id", [None, "org_001"])
def test_figures_of_the_boards_equal_those_of_the_api(stores: tuple[Store, Store], organization_id: str | None) -> None:
    store, board = stores[0], Board(stores[0], organization_id)
    whole = figures_between(store, FIRST, organization_id)
    now = overview(store.api, Parameters(organization_id=organization_id), END - 1)
    received, completed, failed = whole.artifacts_received, whole.artifacts_completed, whole.artifacts_failed
    for name, wanted in (("Received", received), ("Completed", completed), ("Failed", failed)):
        assert wanted
        assert board.total("voice-overview", 20, name) == wanted
        assert board.total("voice-overview", {"Received": 1, "Completed": 2, "Failed": 11}[name], name) == wanted
    assert board.value("voice-overview", 3) == pytest.approx(failed / (completed + failed))
    assert board.value("voice-overview", 4) == whole.p95_end_to_end_latency
    assert board.value("voice-overview", 12) == pytest.approx(whole.total_ai_cost)
    assert board.value("voice-overview", 5) == now.active_artifacts
    assert board.value("voice-overview", 6) == pytest.approx(now.total_cost_today)
    assert board.value("voice-overview", 7) == now.breaker_state
    assert board.value("voice-overview", 8) == now.open_disambiguations
    waiting = stuck(store.api, StuckParameters(organization_id=organization_id, limit=200), END - 1).page
    assert board.value("voice-overview", 9) == len(waiting) > 0
    assert board.total("voice-cost", 10, "Claims extraction") > 0
    assert board.value("voice-overview", 10) == seconds_since_receipt(store, organization_id)
    stage_tables_equal(board, whole, {row.stage: row.queue_depth for row in now.stages})


def test_the_first_minute_of_a_range_is_whole(stores: tuple[Store, Store]) -> None:
    # In the first half of this minute an artifact is received, and none in the two before.
    minute = FIRST + 2 * 60_000
    board, whole = Board(stores[0], None), Board(stores[0], None).frame("voice-overview", 20)
    for start, is_in in ((minute + 59_000, True), (minute + 60_000, False)):
        shown = board.frame("voice-overview", 20, Moment(start, WHOLE.to_ms, WHOLE.interval_s))
        assert (shown.rows == whole.rows) == is_in


def figures_between(store: Store, start_ms: int, organization_id: str | None) -> Figures:
    """What the API's own statement makes of all events from then to the end, as one period."""
    bounds = {"start_ms": start_ms, "end_ms": END, "size_ms": END - start_ms}
    asked = {"now_ms": END, "organization_id": organization_id or "", **bounds}
    [sums] = store.api.query(sums_statement("figures"), parameters=asked).named_results()
    return figures_of(sums, start_ms)


def seconds_since_receipt(store: Store, organization_id: str | None) -> int:
    receipts = EventsParameters(event_type=("artifact_received",), organization_id=organization_id, limit=1)
    [latest] = recent_events(store.api, receipts, END - 1).page
    return min(6 * 3600, (END - 1) // 1000 - latest.timestamp // 1000)


def stage_tables_equal(board: Board, whole: Figures, queues: dict[Any, int]) -> None:
    rows = {row[0]: row[1:] for row in board.frame("voice-stages", 10).rows}
    assert list(rows) == list(FLOW)
    for stage in FLOW:
        good, bad = getattr(whole, f"{stage}_successes"), getattr(whole, f"{stage}_failures")
        good_shown, bad_shown, rate, mean, median, p95 = rows[stage]
        assert (good_shown, bad_shown) == (good, bad)
        assert rate == pytest.approx(bad / (good + bad))
        assert mean == pytest.approx(getattr(whole, f"avg_{stage}_latency"))
        assert 0 < float(str(median)) <= float(str(p95))
        assert board.total("voice-stages", 12, LABELS[stage]) == good
    circles = {row[0]: row[2] for row in board.frame("voice-overview", 29).rows}
    good_ends = {stage: getattr(whole, f"{stage}_successes") for stage in FLOW}
    assert circles == {"ingestion": whole.artifacts_received} | good_ends
    arrows = board.frame("voice-overview", 29, query=1)
    assert list(zip(arrows.column("source"), arrows.column("target"), strict=True)) == list(pairwise(circles))
    shown = board.frame("voice-stages", 11)
    assert dict(zip(shown.names, shown.rows[0], strict=True)) == {LABELS[stage]: n for stage, n in queues.items()}


@pytest.mark.parametrize("organization_id", [None, "org_001"])
@pytest.mark.parametrize("period", ["hourly", "daily"])
def test_closed_periods_equal_the_snapshots(
    stores: tuple[Store, Store], organization_id: str | None, period: Any
) -> None:
    board = Board(stores[0], organization_id)
    moment = WHOLE if period == "hourly" else WEEKS
    snapshots = historical_metrics(stores[0].api, period, moment.from_ms, moment.to_ms, organization_id, END)
    assert snapshots
    cost, way = board.frame("voice-overview", 43, moment), board.frame("voice-overview", 42, moment)
    throughput, means = board.frame("voice-overview", 40, moment), board.frame("voice-stages", 20, moment)
    assert [moment_of(time) * 1000 for time in throughput.column("time")] == [row.period_start for row in snapshots]
    assert throughput.column("Received") == [row.artifacts_received for row in snapshots]
    assert throughput.column("Failed") == [row.artifacts_failed for row in snapshots]
    assert cost.column("Cost") == pytest.approx([row.total_ai_cost for row in snapshots])
    assert [value or 0 for value in way.column("Mean")] == pytest.approx([s.avg_end_to_end_latency for s in snapshots])
    for stage in FLOW:
        wanted = [getattr(row, f"avg_{stage}_latency") for row in snapshots]
        assert [value or 0 for value in means.column(LABELS[stage])] == pytest.approx(wanted)


def test_tables_equal_the_answers_of_the_api(stores: tuple[Store, Store]) -> None:
    store, board = stores[0], Board(stores[0], None)
    asked_for = OrganizationsParameters(start_time=FIRST, end_time=END - 1)
    wanted = [
        (row.org_name if row.organization_id in NAMES else row.organization_id, row.organization_id,
         row.artifacts_received, row.artifacts_completed, row.artifacts_failed)
        for row in organizations(store.api, asked_for, END).organizations
    ]  # fmt: skip
    assert [tuple(row[:5]) for row in board.frame("voice-organisations", 1).rows] == wanted
    errors = StageErrorsParameters(stage="transcription", start_time=FIRST, end_time=END - 1, limit=50)
    messages = msgspec.to_builtins(stage_errors(store.api, errors, END).errors)
    shown = [row for row in board.frame("voice-artifacts", 20).rows if row[0] == "transcription_failed"]
    assert [(row.get("errorCode", ""), row.get("errorMessage", ""), row["count"]) for row in messages] == [
        tuple(row[2:5]) for row in shown
    ]
    whole = RangeParameters(start_time=FIRST, end_time=END - 1)
    by_channel = msgspec.to_builtins(channels(store.api, whole, END).channels)
    received = {row.get("sourceChannel", "unknown"): row["count"] for row in by_channel if row["count"]}
    assert dict(map(tuple, board.frame("voice-artifacts", 23).rows)) == received
    late = stuck(store.api, StuckParameters(limit=200), END - 1).page
    assert {row[0] for row in board.frame("voice-artifacts", 10).rows} == {row.artifact_id for row in late}


def test_alerts_compare_the_figures_that_the_domain_names(stores: tuple[Store, Store]) -> None:
    filled, empty = stores
    now = overview(filled.api, Parameters(), END - 1)
    assert alert(filled, "PipelineQueueDepth") == now.active_artifacts
    assert alert(filled, "PipelineDisambiguationBacklog") == now.open_disambiguations
    assert alert(filled, "PipelineCircuitBreakerOpen") == (now.breaker_state != "closed")
    assert alert(empty, "PipelineCircuitBreakerOpen") == 0
    assert alert(filled, "PipelineStuckArtifacts") == len(stuck(filled.api, StuckParameters(limit=200), END - 1).page)
    last = figures_between(filled, END - 3_600_000, None)
    finished = last.artifacts_completed + last.artifacts_failed
    rate = last.artifacts_failed / finished if finished >= 5 else None
    assert alert(filled, "PipelineFailureRate") == alert(filled, "PipelineFailureRateCritical") == rate
    before = [row for row in historical_metrics(filled.api, "hourly", FIRST, END, None, END) if row.end_to_end_samples]
    ratio = before[-1].avg_end_to_end_latency / mean_latency_of(before[:-1])
    assert alert(filled, "PipelineLatency") == pytest.approx(ratio)
    assert alert(empty, "PipelineLatency") is None


def mean_latency_of(rows: list[Any]) -> float:
    samples = sum(row.end_to_end_samples for row in rows)
    return sum(float(row.avg_end_to_end_latency) * row.end_to_end_samples for row in rows) / samples


def test_silence_and_lag_count_from_the_installation_at_first(stores: tuple[Store, Store]) -> None:
    later_ms = time.time_ns() // 1_000_000 + 3 * 3_600_000
    for store in stores:
        installed = store.api.command("SELECT toUnixTimestamp(min(at)) FROM schema_migrations")
        assert isinstance(installed, int)
        assert alert(store, "PipelineInactivity", later_ms) == pytest.approx(
            (later_ms / 1000 - installed) / 60, abs=0.1
        )
        lag = (later_ms // 1000 - installed // 3600 * 3600) / 60 - 60
        assert alert(store, "MonitorLag", later_ms) == pytest.approx(lag, abs=0.1)


def alert(store: Store, title: str, now_ms: int = END - 1) -> Any:
    """The number that the rule compares, or None if there is none."""
    query = next(rule["data"][0] for rule in rules() if rule["title"] == title)
    moment = Moment(now_ms - query["relativeTimeRange"]["from"] * 1000, now_ms)
    rows = store.ask(query["model"]["rawSql"], moment, None).rows
    return rows[0][0] if rows else None
