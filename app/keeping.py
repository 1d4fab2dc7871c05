"""Repeats a piece of work on the store for as long as a worker runs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from clickhouse_connect.driver.client import Client

from app.duty import LOOK_SECONDS, IsOnDuty, until_on_duty
from app.runtime.errors import SinkUnavailable
from app.runtime.settings import ClickHouseSettings
from sinks.clickhouse.client import StoreError, connect

log = structlog.get_logger(__name__)


class Job(Protocol):
    """Work that goes on where its last run ended."""

    def run_once(self) -> Any:
        """Do what is due. Raises SinkUnavailable or StoreError."""
        ...

    def close(self) -> None:
        """The connection is closed."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Shortest and longest rest between two runs, in seconds.

    A run that took long is followed by a rest `times` as long: it shares the machine with the ingestion. While rows
    wait for the store in great number it is `behind` at least, so that what is derived does not keep them waiting.
    """

    shortest: float
    times: float
    longest: float
    behind: float = 0.0

    def rest_seconds(self, run_seconds: float) -> float:
        """How long to rest after a run that took so long."""
        return min(max(self.shortest, self.times * run_seconds), self.longest)


async def keep_up(  # noqa: PLR0913 - each of them differs from job to job
    settings: ClickHouseSettings,
    make: Callable[[Client], Job],
    pace: Pace,
    complaint: str,
    is_on_duty: IsOnDuty,
    *,
    is_behind: Callable[[], bool] = lambda: False,
) -> None:
    """Run the job again and again while on duty, for ever; after a failure, or a pause, one made anew.

    The first failure of a row of them is logged with `complaint`.
    """
    job: Job | None = None
    is_failing = False
    while True:
        if job is not None and not is_on_duty():
            job.close()
            job = None
        await until_on_duty(is_on_duty)
        began = time.monotonic()
        try:
            if job is None:
                job = make(await asyncio.to_thread(connect, settings))
            await asyncio.to_thread(job.run_once)
            is_failing = False
        except (SinkUnavailable, StoreError, OSError) as error:
            if not is_failing:
                log.warning(complaint, reason=str(error) or type(error).__name__)
            is_failing = True
            if job is not None:
                job.close()
                job = None
        rest = pace.rest_seconds(time.monotonic() - began)
        await asyncio.sleep(rest)
        while is_behind() and rest < pace.behind:
            await asyncio.sleep(LOOK_SECONDS)
            rest += LOOK_SECONDS
