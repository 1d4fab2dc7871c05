"""What the measurement of an outage makes of what it saw."""

from pathlib import Path

from tests.bench.outage import first_pause, longest_standstill
from tests.bench.outage_watch import FULL, BrokerLog, Look

HOUR = 1_795_935_600_000


def look(at: float, counted: int, *reasons: str, worker: int = 0, hour: int = HOUR) -> Look:
    return Look(at, worker, (hour, counted), reasons, 0.0, 0.0)


def test_figures_that_grow_with_every_look_never_stand_still() -> None:
    assert longest_standstill([look(at, counted=at) for at in range(5)]) == 0


def test_a_new_hour_begins_at_nothing_and_is_no_standstill() -> None:
    assert longest_standstill([look(0, 900), look(1, 3, hour=HOUR + 3_600_000)]) == 0


def test_the_longest_time_without_growth_is_found_for_each_worker() -> None:
    looks = [look(0, 1), look(0, 1, worker=1), look(1, 2), look(1, 1, worker=1), look(3, 3), look(3, 1, worker=1)]
    assert longest_standstill(looks) == 3


def test_an_answer_that_fails_is_no_growth() -> None:
    assert longest_standstill([look(0, 5), Look(2, 0, None, (), 0.0, 0.0), look(4, 5)]) == 4


def test_time_with_a_full_backlog_does_not_count() -> None:
    looks = [look(0, 1), look(1, 2, f"the {FULL}: partitions pause"), look(9, 2, FULL, worker=1), look(10, 2)]
    assert longest_standstill(looks) == 0


def test_the_first_pause_of_a_worker_is_told_with_its_words() -> None:
    looks = [look(12, 1), look(13, 1, "away", FULL), look(14, 1, FULL)]
    assert first_pause(looks, 0, begin=10) == [{"worker": 0, "afterSeconds": 3, "said": ("away", FULL)}]
    assert first_pause(looks, 1, begin=10) == []


def test_generations_are_read_from_a_log_that_grows_and_changes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    path.write_text("Stabilized group ours generation 1 with 1 members.\n")
    log = BrokerLog(path, "ours")
    assert log.generations() == [1]
    with path.open("a") as more:
        more.write("Stabilized group theirs generation 7 with 1 members.\nStabilized group ours gen")
    assert log.generations() == []
    with path.open("a") as more:
        more.write("eration 2 with 2 members.\n")
    path.rename(tmp_path / "kafka.log.1")
    path.write_text("Stabilized group ours generation 3 with 2 members.\n")
    assert log.generations() == [2, 3]
    assert log.generations() == []
