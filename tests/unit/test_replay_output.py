"""What `voicemon replay` says about its limits."""

import pytest

from app.cli.replay import _print_limits
from app.domain.windows import HOUR_MS
from app.replay.question import Cut
from app.replay.run import Result
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings

HOURS = Settings().retention.events_hours


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result(records=1, oldest_ms=SystemClock().now_ms()), ""),
        (
            Result(records=1, oldest_ms=SystemClock().now_ms() - HOURS * HOUR_MS - 1),
            f"Rows of events that are older than {HOURS} h are stored, but no reader shows them any more.\n",
        ),
        (Result(), "The log has no records in this range.\n"),
        (Result(resumed=3), ""),
        (
            Result(resumed=3, cut=[Cut(2, 120, 1_771_160_400_000)]),
            "The log of partition 2 begins at offset 120, appended 2026-02-15T13:00:00Z: "
            "what was before is deleted and does not come back.\n",
        ),
    ],
)
def test_each_limit_is_one_sentence(result: Result, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    _print_limits(result, Settings(), is_done=True)
    assert capsys.readouterr().out == said
