"""Windows and their names."""

import os
import time
from collections.abc import Iterator

import pytest

from app.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, time_window, window_start_ms


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/St_Johns"])
def _host_time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not os.path.exists("/usr/share/zoneinfo"):
        pytest.skip("no time zone data on this machine")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("event_time_ms", "start_ms"),
    [(0, 0), (HOUR_MS - 1, 0), (HOUR_MS, HOUR_MS), (-1, -HOUR_MS), (1_771_165_805_123, 1_771_164_000_000)],
)
def test_windows_are_half_open_and_aligned_to_the_epoch(event_time_ms: int, start_ms: int) -> None:
    assert window_start_ms(event_time_ms) == start_ms


def test_windows_come_in_the_size_that_is_passed() -> None:
    assert window_start_ms(1_771_165_805_123, DAY_MS) == 1_771_113_600_000
    assert window_start_ms(1_771_165_805_123, MINUTE_MS) == 1_771_165_800_000


@pytest.mark.parametrize("size_ms", [0, -1])
def test_a_size_that_is_not_positive_is_refused(size_ms: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        window_start_ms(1, size_ms)


@pytest.mark.usefixtures("_host_time_zone")
@pytest.mark.parametrize(
    ("event_time_ms", "name"),
    [
        (1_771_165_805_123, "2026-02-15-14"),
        (1_771_113_600_000, "2026-02-15-00"),
        (1_771_113_599_999, "2026-02-14-23"),
        (0, "1970-01-01-00"),
        (-1, "1969-12-31-23"),
        (-62_135_596_800_000, "0001-01-01-00"),
        (1_709_251_199_999, "2024-02-29-23"),
    ],
)
def test_the_time_window_is_the_zero_padded_utc_hour_in_any_host_time_zone(event_time_ms: int, name: str) -> None:
    assert time_window(event_time_ms) == name
