"""One worker process for all tests that only look at what becomes of their own records."""

import uuid
from collections.abc import Iterator

import pytest

from app.runtime.settings import ClickHouseSettings
from tests import services
from tests.cleanup import drop_databases, drop_topics
from tests.conftest import CHOICE
from tests.workers import WorkerProcess, worker_process, worker_settings


@pytest.fixture(scope="session")
def shared_worker(
    request: pytest.FixtureRequest,
    kafka_bootstrap: str,
    clickhouse: ClickHouseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WorkerProcess]:
    """A worker that never stops; each test takes organisations of its own."""
    prefix = f"t{uuid.uuid4().hex[:12]}_"
    settings = worker_settings(kafka_bootstrap, clickhouse, prefix, kafka={"partitions": 2})
    with worker_process(settings, tmp_path_factory.mktemp("worker")) as worker:
        yield worker
        assert worker.end() == 0, worker.log.read_text()[-3000:]
    choice = request.config.stash[CHOICE]
    if choice.kafka is services.Source.ADDRESS:
        drop_topics(kafka_bootstrap, prefix)
    if choice.clickhouse is services.Source.ADDRESS:
        drop_databases(clickhouse, prefix)
