"""The comparison of ways into ClickHouse: one log, every contender in turn, each with a database of its own."""

import contextlib
import uuid
from collections.abc import Callable, Sequence
from statistics import median

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.bench.events import Load
from app.bench.lap import Result, Sample, Task
from app.bench.run import START_SECONDS, filled, measure, task_of
from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import migrate

SLOWEST_EVENTS_PER_SECOND = 2_000

STORE_TITLES = {
    "engine": "engine alone",
    "sink": "our sink",
    "plain": "plain loop",
    "worker": "voicemon worker",
}


class StoreSummary(msgspec.Struct, rename="camel"):
    """Median figures of a contender's runs; a ratio is None where the other was not measured.

    `samples` show how a worker's last run went on.
    """

    contender: str
    title: str
    runs: int
    events: int
    seconds: float
    rows_per_second: float
    cpu_us_per_event: float
    ratio_to_engine: float | None
    times_plain: float | None
    peak_rss_bytes: int
    samples: list[Sample]


class StoreReport(msgspec.Struct, rename="camel"):
    """The comparison."""

    events: int
    organizations: int
    partitions: int
    rounds: int
    event_bytes: int
    contenders: list[StoreSummary]


def compare_stores(
    settings: Settings, load: Load, rounds: int, contenders: Sequence[str], say: Callable[[str], None]
) -> StoreReport:
    """Fill a topic and measure; the databases are dropped again, the topics remain.

    Raises VoicemonError if a contender fails or other rows are stored than there are events.
    """
    prefix = f"bench_{uuid.uuid4().hex[:8]}_"
    size = filled(settings, prefix, load, say)
    found: dict[str, list[Result]] = {name: [] for name in contenders}
    for number in range(1, rounds + 1):
        for name, results in found.items():
            result = _measured(settings, _task(settings, name, prefix, number, load), load)
            say(f"round {number} of {rounds}: {STORE_TITLES[name]}: {result.events_per_second:,.0f} rows/s")
            results.append(result)
    return StoreReport(load.events, load.organizations, load.partitions, rounds, size, _summaries(found))


def _task(settings: Settings, name: str, prefix: str, number: int, load: Load) -> Task:
    return msgspec.structs.replace(
        task_of(settings, name, prefix, number, load),
        seconds=START_SECONDS + load.events / SLOWEST_EVENTS_PER_SECOND,
        database=f"{prefix}{name}_{number}",
    )


def _measured(settings: Settings, task: Task, load: Load) -> Result:
    """The contender's result on empty tables. Raises VoicemonError if it has lost or doubled rows."""
    clickhouse = settings.clickhouse.model_copy(update={"database": task.database})
    client = connect(clickhouse)
    try:
        migrate(client, settings.model_copy(update={"clickhouse": clickhouse}))
        result = measure(task, STORE_TITLES[task.contender], clickhouse)
        stored = int(client.command("SELECT count() FROM events FINAL"))  # type: ignore[arg-type]
        if stored != load.events - load.repeated:
            raise VoicemonError(
                f"{STORE_TITLES[task.contender]} stored {stored:,} events instead of {load.events - load.repeated:,}"
            )
        return result
    finally:
        with contextlib.suppress(ClickHouseError, OSError):
            client.command(f"DROP DATABASE IF EXISTS `{task.database}`")
        client.close()


def _summaries(found: dict[str, list[Result]]) -> list[StoreSummary]:
    speeds = {name: median(run.events_per_second for run in runs) for name, runs in found.items()}
    engine, plain = speeds.get("engine"), speeds.get("plain")
    return [
        StoreSummary(
            contender=name,
            title=STORE_TITLES[name],
            runs=len(runs),
            events=runs[0].counted,
            seconds=median(run.seconds for run in runs),
            rows_per_second=speeds[name],
            cpu_us_per_event=median(run.cpu_us for run in runs),
            ratio_to_engine=speeds[name] / engine if engine else None,
            times_plain=speeds[name] / plain if plain else None,
            peak_rss_bytes=max(run.peak_rss_bytes for run in runs),
            samples=runs[-1].samples,
        )
        for name, runs in found.items()
    ]
