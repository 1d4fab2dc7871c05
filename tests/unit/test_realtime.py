"""getRealTimeMetrics on counters in memory."""

from app.domain.counters import RESULT_FIELDS
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.realtime import real_time_metrics

HOUR = 500_000 * HOUR_MS


class Minutes:
    """Counters that hold one artifact_received in some minutes of each scope."""

    def __init__(self, **minutes: set[int]) -> None:
        self._minutes = minutes

    def totals(self, organization_id: str | None, first_minute: int, last_minute: int) -> list[int]:
        found = self._minutes.get(organization_id or "platform", set())
        return [sum(first_minute <= minute <= last_minute for minute in found), *[0] * 7]

    def refused(self, organization_id: str | None, window_start_ms: int) -> list[int]:
        return [int(organization_id == "refused" and window_start_ms == HOUR), *[0] * 7]


def received(table: Minutes, now_ms: int, organization_id: str | None = None) -> tuple[object, object]:
    figures = real_time_metrics(table, organization_id, now_ms)
    trailing = figures["last60Minutes"]
    assert isinstance(trailing, dict)
    return figures["artifactsReceived1h"], trailing["artifactsReceived1h"]


def test_all_eight_fields_are_there_and_0_where_nothing_was_counted() -> None:
    figures = real_time_metrics(Minutes(), None, HOUR + 1)
    assert [figures[name] for name in RESULT_FIELDS] == [0] * 8
    assert figures["last60Minutes"] == dict.fromkeys(RESULT_FIELDS, 0)
    assert (figures["windowStart"], figures["windowEnd"]) == (HOUR, HOUR + HOUR_MS)
    assert "organizationId" not in figures


def test_a_full_hour_begins_a_window_of_its_own() -> None:
    for now_ms, start in [(HOUR - 1, HOUR - HOUR_MS), (HOUR, HOUR), (HOUR + HOUR_MS - 1, HOUR)]:
        assert real_time_metrics(Minutes(), None, now_ms)["windowStart"] == start


def test_the_last_hour_is_trailing_but_not_current_just_after_the_full_hour() -> None:
    last_minute = HOUR // MINUTE_MS - 1
    assert received(Minutes(platform={last_minute}), HOUR) == (0, 1)
    assert received(Minutes(platform={last_minute}), HOUR - 1) == (1, 1)


def test_trailing_figures_take_the_current_minute_and_the_59_before_it() -> None:
    minute = HOUR // MINUTE_MS + 30
    now_ms = minute * MINUTE_MS + 59_999
    assert received(Minutes(platform={minute}), now_ms) == (1, 1)
    assert received(Minutes(platform={minute - 59}), now_ms) == (0, 1)
    assert received(Minutes(platform={minute - 60}), now_ms) == (0, 0)
    assert received(Minutes(platform={minute + 1}), now_ms) == (1, 0)


def test_an_event_ahead_of_the_clock_is_in_the_hour_of_its_own_time() -> None:
    assert received(Minutes(platform={HOUR // MINUTE_MS}), HOUR - 1) == (0, 0)


def test_an_organisation_is_named_and_sees_its_own() -> None:
    table = Minutes(platform={HOUR // MINUTE_MS}, a={HOUR // MINUTE_MS})
    assert real_time_metrics(table, "a", HOUR)["organizationId"] == "a"
    assert received(table, HOUR, "a") == (1, 1)
    assert received(table, HOUR, "b") == (0, 0)


def test_counts_of_events_without_a_row_are_marked() -> None:
    marked = real_time_metrics(Minutes(refused={HOUR // MINUTE_MS}), "refused", HOUR + 1)
    assert marked["artifactsReceived1h"] == 1
    assert marked["refusedByStore"] == {name: int(name == "artifactsReceived1h") for name in RESULT_FIELDS}
    assert "refusedByStore" not in real_time_metrics(Minutes(), None, HOUR + 1)
