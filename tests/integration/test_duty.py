"""One of several workers keeps what is derived from the stored rows, and another one follows it."""

import re
from pathlib import Path

import pytest

from app.duty import FIRST_PARTITION
from app.runtime.settings import ClickHouseSettings
from tests.workers import WorkerProcess, eventually, worker_process, worker_settings

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.timeout(180)]

RUNS = re.compile(r"^voicemon_rollup_seconds_count (\S+)$", re.MULTILINE)


def owns_first(worker: WorkerProcess) -> bool:
    tables = worker.get("/tables/")[1]["tables"]
    return all(FIRST_PARTITION in table["partitions"] for table in tables)


def runs(worker: WorkerProcess) -> float:
    """Runs of the roll-up so far."""
    found = RUNS.search(worker.text("/metrics"))
    assert found is not None
    return float(found[1])


async def test_the_owner_of_the_first_partition_computes_until_another_one_owns_it(
    kafka_bootstrap: str, clickhouse: ClickHouseSettings, unique_prefix: str, tmp_path: Path
) -> None:
    settings = worker_settings(kafka_bootstrap, clickhouse, unique_prefix, kafka={"partitions": 2})
    settings = settings.model_copy(
        update={"rollup": settings.rollup.model_copy(update={"interval_seconds": 0.2, "copies_seconds": 0.2})}
    )
    with worker_process(settings, tmp_path) as one, worker_process(settings, tmp_path) as other:
        await one.until_ready()
        await other.until_ready()

        def is_shared() -> bool:
            return owns_first(one) != owns_first(other) and all(
                table["partitions"] for worker in (one, other) for table in worker.get("/tables/")[1]["tables"]
            )

        await eventually(is_shared, "each worker owns a partition")
        on_duty, idle = (one, other) if owns_first(one) else (other, one)
        before, idle_before = runs(on_duty), runs(idle)
        await eventually(lambda: runs(on_duty) >= before + 3, "the owner computes on")
        assert runs(idle) <= idle_before + 1, "a run that had begun may end"
        idle_before = runs(idle)
        assert on_duty.end() == 0
        await eventually(lambda: runs(idle) >= idle_before + 3, "the other one has taken over")
