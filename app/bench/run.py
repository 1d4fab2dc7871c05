"""The whole comparison: a topic is filled once, then every contender reads it in turn, each in a fresh process."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import msgspec

from app.bench.events import Load, fill_topic
from app.bench.lap import Result, Task
from app.bench.quix import is_installed
from app.local.stack import LocalStack, Name
from app.runtime.broker import prepare_topics
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import is_secured, without_security
from app.runtime.settings import ClickHouseSettings, Settings, inherited_environment
from app.runtime.topics import Topics

FAUST_EVENTS = 20_000
"""Idiomatic Faust and Quix Streams get a shorter log: a whole one would take minutes."""

SLOWEST_EVENTS_PER_SECOND = 1_000
START_SECONDS = 60.0
SHORT = ("faust", "quix")

TITLES = {
    "fetch": "bare: fetch",
    "fetch_count": "bare: fetch and count",
    "faust": "idiomatic Faust",
    "quix": "Quix Streams",
    "ours": "voicemon worker",
}


class Summary(msgspec.Struct, rename="camel"):
    """Median figures of a contender's runs; a ratio is None where the other was not measured."""

    contender: str
    title: str
    runs: int
    events: int
    accepted: int
    events_per_second: float
    cpu_us_per_event: float
    ratio_to_bare: float | None
    times_idiomatic: float | None
    cpu_ratio_to_bare: float | None
    state_share: float | None
    peak_rss_bytes: int


class Report(msgspec.Struct, rename="camel"):
    """The comparison; `missing` names what could not be measured, with the reason."""

    events: int
    organizations: int
    partitions: int
    rounds: int
    event_bytes: int
    contenders: list[Summary]
    missing: dict[str, str]


def compare(
    settings: Settings, load: Load, rounds: int, contenders: Sequence[str], say: Callable[[str], None]
) -> Report:
    """Fill a topic of its own and measure; on the cluster of the settings' bootstrap, where topics remain.

    Raises VoicemonError if a contender fails or finds another number of events than there are.
    """
    prefix = f"bench_{uuid.uuid4().hex[:8]}_"
    loads = {f"{prefix}": load}
    if set(SHORT) & set(contenders):
        loads[f"{prefix}short_"] = Load(min(load.events, FAUST_EVENTS), load.organizations, load.partitions)
    sizes = {at: filled(settings, at, size, say) for at, size in loads.items()}
    missing = _missing(settings)
    found: dict[str, list[Result]] = {name: [] for name in contenders if name not in missing}
    for round_number in range(1, rounds + 1):
        for name, results in found.items():
            at = f"{prefix}short_" if name in SHORT else prefix
            result = measure(task_of(settings, name, at, round_number, loads[at]), TITLES[name])
            say(f"round {round_number} of {rounds}: {TITLES[name]}: {result.events_per_second:,.0f} events/s")
            _check(name, result, loads[at])
            results.append(result)
    return Report(
        events=load.events,
        organizations=load.organizations,
        partitions=load.partitions,
        rounds=rounds,
        event_bytes=sizes[prefix],
        contenders=_summaries(found),
        missing={name: reason for name, reason in missing.items() if name in contenders},
    )


def _missing(settings: Settings) -> dict[str, str]:
    """Contenders that cannot run here, with the reason."""
    if not is_installed():
        return {"quix": "not installed"}
    return {"quix": "cannot log in to these brokers here"} if is_secured(settings.kafka) else {}


@contextlib.contextmanager
def own_services(settings: Settings, names: Sequence[Name], say: Callable[[str], None]) -> Iterator[Settings]:
    """Settings that point at services that live as long as the block, with their data in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="voicemon-bench-") as folder:
        local = settings.local.model_copy(update={"data_dir": Path(folder)})
        with LocalStack(settings.model_copy(update={"local": local}), names, say=say) as stack:
            kafka, clickhouse = without_security(settings.kafka, stack.kafka_bootstrap), settings.clickhouse
            if "clickhouse" in names:
                clickhouse = clickhouse.model_copy(update={"url": stack.clickhouse_url})
            yield settings.model_copy(update={"kafka": kafka, "clickhouse": clickhouse})


def filled(settings: Settings, prefix: str, load: Load, say: Callable[[str], None]) -> int:
    """Write the log into a topic of its own; the mean size of a value in bytes."""
    kafka = settings.kafka.model_copy(update={"topic_prefix": prefix, "partitions": load.partitions})
    partitions = asyncio.run(prepare_topics(kafka, ()))
    if partitions != load.partitions:
        raise VoicemonError(
            f"the topic has {partitions} partitions instead of {load.partitions}: choose another prefix"
        )
    say(f"writing {load.events:,} events")
    return asyncio.run(fill_topic(kafka, Topics(prefix).events, load, say))


def task_of(settings: Settings, name: str, prefix: str, round_number: int, load: Load) -> Task:
    """What a contender is told in one round, on the log that the prefix names."""
    return Task(
        contender=name,
        bootstrap=settings.kafka.bootstrap,
        prefix=prefix,
        group=f"{name}_{round_number}",
        events=load.events,
        partitions=load.partitions,
        seconds=START_SECONDS + load.events / SLOWEST_EVENTS_PER_SECOND,
        is_secured=is_secured(settings.kafka),
    )


def measure(task: Task, title: str, clickhouse: ClickHouseSettings | None = None) -> Result:
    """The contender's result; `clickhouse` is the store that it writes to.

    Raises VoicemonError with the end of its output if it gives none.
    """
    environment = inherited_environment() | _variables(clickhouse)
    command = [sys.executable, "-m", "app.bench", msgspec.json.encode(task).decode()]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=task.seconds + 60, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise VoicemonError(f"{title} did not end in {task.seconds + 60:.0f} s") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise VoicemonError(f"{title} could not be measured:\n{said}")
    return msgspec.json.decode(lines[-1], type=Result)


def _variables(clickhouse: ClickHouseSettings | None) -> dict[str, str]:
    if clickhouse is None:
        return {}
    # Not in the command's arguments, which every user of the machine can read.
    return {
        "VOICEMON_CLICKHOUSE_URL": clickhouse.url,
        "VOICEMON_CLICKHOUSE_USER": clickhouse.user,
        "VOICEMON_CLICKHOUSE_PASSWORD": clickhouse.password.get_secret_value(),
    }


def _check(name: str, result: Result, load: Load) -> None:
    """Raise VoicemonError if the contender has lost or doubled events."""
    # Faust and Quix Streams have no duplicate filter, and a bare fetch looks at nothing.
    wanted = load.events - load.repeated if name in ("fetch_count", "ours") else load.events
    if result.accepted != wanted:
        raise VoicemonError(f"{TITLES[name]} found {result.accepted:,} events instead of {wanted:,}")


def _summaries(found: dict[str, list[Result]]) -> list[Summary]:
    speeds = {name: median(run.events_per_second for run in runs) for name, runs in found.items()}
    costs = {name: median(run.cpu_us for run in runs) for name, runs in found.items()}
    bare, faust = speeds.get("fetch_count"), speeds.get("faust")
    return [
        Summary(
            contender=name,
            title=TITLES[name],
            runs=len(runs),
            events=runs[0].counted,
            accepted=runs[0].accepted,
            events_per_second=speeds[name],
            cpu_us_per_event=costs[name],
            ratio_to_bare=speeds[name] / bare if bare else None,
            times_idiomatic=speeds[name] / faust if faust else None,
            cpu_ratio_to_bare=costs["fetch_count"] / costs[name] if bare and costs[name] else None,
            state_share=None if runs[0].state_share is None else median(run.state_share or 0.0 for run in runs),
            peak_rss_bytes=max(run.peak_rss_bytes for run in runs),
        )
        for name, runs in found.items()
    ]
