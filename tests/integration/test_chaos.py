"""The short form of `make chaos`: everything is killed under load, and the audit finds no difference."""

import shutil
from pathlib import Path

import pytest

from tests.chaos.run import Chaos
from tests.chaos.schedule import KILLS, Plan

pytestmark = [pytest.mark.stack, pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(400)]

PLAN = Plan(kills=6, seed=5, pause=(0.5, 2.5), rate=150.0, session_seconds=3.0, freezes=False)


async def test_kills_of_everything_under_load_leave_no_difference(tmp_path: Path) -> None:
    outcome = await Chaos(PLAN, tmp_path, print).run()
    assert KILLS.keys() <= outcome.actions.keys()
    assert outcome.published is not None
    assert outcome.published.undelivered == 0
    for report in (outcome.under_load, outcome.at_rest):
        assert report is not None
        assert report.is_clean, report.as_json()["differences"]
    assert outcome.at_rest is not None
    assert sum(at.accepted for at in outcome.at_rest.partitions) > 0
    assert outcome.slow_stops == []
    shutil.rmtree(tmp_path)
