"""The benchmark measures what it says, on a log too small to tell anything about speed."""

import json

import pytest
from typer.testing import CliRunner

from app.bench.events import Load, values_of
from app.cli import app
from app.cli.commands import register

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

NOW_MS = 1_770_000_000_000


def test_every_contender_counts_the_whole_log(kafka_bootstrap: str) -> None:
    register(app)
    arguments = ["bench", "counters", "--events", "2000", "--organizations", "5", "--rounds", "1", "--json"]
    done = CliRunner().invoke(app, [*arguments, "--bootstrap", kafka_bootstrap], catch_exceptions=False)
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    found = {row["contender"]: row for row in report["contenders"]}
    assert {"fetch", "fetch_count", "faust", "ours"} <= set(found)
    assert found["fetch_count"]["accepted"] == found["ours"]["accepted"] == 1980
    assert found["ours"]["stateShare"] > 0
    assert all(row["peakRssBytes"] > 1_000_000 for row in found.values())


def test_the_same_numbers_give_the_same_log_with_its_share_of_copies() -> None:
    load = Load(events=1000, organizations=3, partitions=4)
    log = [value for partition in range(4) for value in values_of(load, partition, NOW_MS)]
    assert log == [value for partition in range(4) for value in values_of(load, partition, NOW_MS)]
    assert len(log) == 1000
    assert len(set(log)) == 1000 - load.repeated
    assert 300 < sum(map(len, log)) / len(log) < 400
