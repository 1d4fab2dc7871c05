"""After a look for later copies every answer is the reference's of the copies first in the log."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from agents.roll_up import RollUp
from app.artifact_refresh import ArtifactRefresh
from app.copies import CopyRemoval
from app.minute_figures import MinuteFigures
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import Settings
from tests.integration.store.copied_log import NOW, CopiedLog, answers_equal
from tests.integration.store.rows import insert
from tests.integration.store.snapshots import ManualClock

pytestmark = [pytest.mark.clickhouse, pytest.mark.timeout(300)]


class Workers:
    """The work that is done on duty, on one store."""

    def __init__(self, store: Client, settings: Settings) -> None:
        clock = ManualClock(NOW)
        self.refresh = ArtifactRefresh(store, settings.clickhouse)
        self.roll_up = RollUp(store, settings, clock)
        self.figures = MinuteFigures(store, settings, clock)
        self.removal = CopyRemoval(store, settings)

    def derive(self) -> None:
        self.refresh.run_once()
        assert not self.roll_up.run_once(NOW).failed
        self.figures.run_once()


@dataclass
class Dying:
    """A store that a worker loses at a statement that changes it: the one with number `last` is still run."""

    client: Client
    last: int

    def query(self, *arguments: Any, **named: Any) -> Any:
        return self.client.query(*arguments, **named)

    def insert(self, *arguments: Any, **named: Any) -> Any:
        self._count()
        return self.client.insert(*arguments, **named)

    def command(self, *arguments: Any, **named: Any) -> Any:
        self._count()
        return self.client.command(*arguments, **named)

    def _count(self) -> None:
        self.last -= 1
        if self.last < 0:
            raise ConnectionAbortedError


@pytest.mark.parametrize("seed", range(6))
def test_answers_are_those_of_the_copies_first_in_the_log(
    store: Client, settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, workers = CopiedLog(seed), Workers(store, settings)
    for batch in log.batches():
        insert(store, batch)
        for step in (workers.derive, workers.removal.run_once):
            if log.random.random() < 0.4:
                step()
    workers.derive()
    workers.removal.run_once()
    workers.derive()
    answers_equal(store, log, monkeypatch)
    assert workers.removal.run_once() == 0


@pytest.mark.parametrize("last", range(1, 20, 6))
def test_a_worker_that_dies_in_between_leaves_the_rest_to_the_next_one(
    store: Client, settings: Settings, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, workers = CopiedLog(100 + last), Workers(store, settings)
    lines = [line for batch in log.batches() for line in batch]
    insert(store, lines)
    workers.derive()
    dying: Any = Dying(store, last)
    with pytest.raises(SinkUnavailable):
        for _ in range(3):
            CopyRemoval(dying, settings).run_once()
    workers.derive()
    workers.removal.run_once()
    workers.derive()
    answers_equal(store, log, monkeypatch)


@pytest.mark.parametrize("seed", (200,))
def test_a_batch_that_comes_again_is_removed_again(
    store: Client, settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, workers = CopiedLog(seed), Workers(store, settings)
    lines = [line for batch in log.batches() for line in batch]
    for again in (lines, lines[::2], lines[1::2]):
        insert(store, again)
        workers.derive()
        workers.removal.run_once()
        workers.derive()
    answers_equal(store, log, monkeypatch)


@pytest.mark.parametrize("seed", (300,))
def test_two_workers_look_while_rows_are_inserted(
    store: Client,
    settings: Settings,
    seed: int,
    new_client: Callable[[], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, failures = CopiedLog(seed), []
    is_over = threading.Event()

    def look() -> None:
        client = new_client()
        workers = Workers(client, settings)
        try:
            while not is_over.is_set():
                workers.removal.run_once()
                workers.derive()
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)
        client.close()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for batch in log.batches():
        for first in range(0, len(batch), 5):
            insert(store, batch[first : first + 5])
    is_over.set()
    for thread in threads:
        thread.join(120)
    assert failures == []
    workers = Workers(store, settings)
    workers.removal.run_once()
    workers.derive()
    answers_equal(store, log, monkeypatch)
