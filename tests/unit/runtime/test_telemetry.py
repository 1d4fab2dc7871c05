"""What is told once, and what stays on a gauge."""

from structlog.testing import capture_logs

from app.runtime.telemetry import Telemetry


def test_a_window_of_too_many_organisations_is_told_once_and_shown_while_it_is_kept() -> None:
    telemetry = Telemetry()
    with capture_logs() as lines:
        for windows in ({(0, 1)}, {(0, 1), (1, 1)}, {(0, 1), (1, 1)}, {(1, 1)}):
            telemetry.windows_full(windows, 20_000)
    assert [(line["log_level"], line["partition"], line["window_start"]) for line in lines] == [
        ("error", 0, 1),
        ("error", 1, 1),
    ]
    assert b"voicemon_full_windows 1.0" in telemetry.exposition()
    telemetry.windows_full(set(), 20_000)
    assert b"voicemon_full_windows 0.0" in telemetry.exposition()
