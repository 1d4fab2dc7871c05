"""What a measured run says of itself."""

from app.bench.lap import Lap, Result


def test_a_log_that_came_whole_before_the_clock_started_has_no_speed() -> None:
    lap = Lap(100)
    lap.start(before=100)
    result = lap.result(accepted=99, state_seconds=0.0)
    assert (result.counted, result.events_per_second, result.cpu_us) == (0, 0.0, 0.0)


def test_speed_and_cost_are_those_of_the_events_after_the_start() -> None:
    result = Result(counted=50, accepted=99, seconds=2.0, cpu_seconds=1.0, peak_rss_bytes=1)
    assert (result.events_per_second, result.cpu_us) == (25.0, 20_000.0)
