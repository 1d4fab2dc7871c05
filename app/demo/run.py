"""A demo from its first process to its summary."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from clickhouse_connect.driver.client import Client

from app.audit.report import Report
from app.audit.run import Question, audit
from app.demo.figures import Counts, Figures, Looker
from app.demo.places import Addresses
from app.demo.publishing import Publishing
from app.demo.summary import DemoSummary
from app.demo.worker_process import WorkerProcess, running_worker
from app.local.stack import LocalStack
from app.runtime.clock import Clock
from app.runtime.errors import VoicemonError
from app.runtime.log_position import group_lag
from app.runtime.organization_records import publish_names
from app.runtime.settings import Settings
from app.simulator import SimulationOptions, organization_names
from sinks.clickhouse.client import clear_errors, connect

LOOK_SECONDS = 1.0
SETTLE_SECONDS = 60.0
SETTLE_SECONDS_INTERRUPTED = 4.0
POLL_SECONDS = 0.3

Offsets = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who watches: `say` takes sentences, `started` the addresses once everything runs, `show` the figures."""

    say: Callable[[str], None]
    started: Callable[[Addresses], None]
    show: Callable[[Figures], None]


def run_demo(
    settings: Settings, simulation: SimulationOptions, clock: Clock, stop: threading.Event, audience: Audience
) -> DemoSummary:
    """Run everything until the simulation ends or `stop` is set; nothing that it started is left when it returns.

    Raises VoicemonError if something does not start or a process ends early.
    """
    with ExitStack() as cleanup:
        audience.say("Starting Kafka and ClickHouse …")
        stack = cleanup.enter_context(LocalStack(settings, auto_ports=False, say=audience.say))
        cleanup.callback(audience.say, "Stopping …")
        audience.say("Starting the worker …")
        worker = cleanup.enter_context(running_worker(settings))
        worker.await_ready(audience.say)
        store = connect(settings.clickhouse)
        cleanup.callback(store.close)
        start = _settled(settings, SETTLE_SECONDS, stop, audience.say)
        looker = Looker(worker, store, settings.clickhouse, clock)
        audience.started(Addresses(worker.url, stack.kafka_bootstrap, stack.clickhouse_url, worker.log))
        return _Run(settings, worker, store, looker, start).watch(simulation, clock, stop, audience)


@dataclass(frozen=True, slots=True)
class _Run:
    """A demo whose processes run; `start` holds where the log ended before the first event."""

    settings: Settings
    worker: WorkerProcess
    store: Client
    looker: Looker
    start: Offsets

    def watch(
        self, simulation: SimulationOptions, clock: Clock, stop: threading.Event, audience: Audience
    ) -> DemoSummary:
        self._name_organisations(simulation.organisations, audience.say)
        began, began_ms = time.monotonic(), clock.now_ms()
        publishing = Publishing(self.settings.kafka, simulation, clock)
        try:
            while not (publishing.is_done or stop.wait(LOOK_SECONDS)):
                audience.show(self.looker.look())
            interrupted = stop.is_set()
            published = publishing.finish(interrupted=interrupted)
        finally:
            publishing.abandon()
        seconds = time.monotonic() - began
        patience = SETTLE_SECONDS_INTERRUPTED if interrupted else SETTLE_SECONDS
        audience.say("Waiting until everything is counted and stored …")
        end = _settled(self.settings, patience, stop, audience.say)
        last = self.looker.look()
        audience.show(last)
        summary = DemoSummary(
            seconds=seconds,
            interrupted=interrupted,
            published=published,
            appended=sum(end[number][1] - at for number, (_, at) in self.start.items()),
            counted=last.counts,
            stored=self._stored(end),
            restarts=last.restarts,
        )
        is_in_doubt = bool(summary.problems()) and (last.restarts > 0 or not interrupted)
        return self._audited(summary, began_ms, clock, audience.say) if is_in_doubt else summary

    def _audited(self, summary: DemoSummary, began_ms: int, clock: Clock, say: Callable[[str], None]) -> DemoSummary:
        """The summary with what the log itself says was counted, and with what counters and store say otherwise."""
        say("The worker's totals are not the whole run; comparing counters and rows with the log …")
        report = audit(self.settings, Question(began_ms, workers=(self.worker.url,)), clock, say)
        differences = tuple(one.text for one in report.differences.listed)
        return replace(summary, counted=_recounted(report), differences=differences)

    def _name_organisations(self, count: int, say: Callable[[str], None]) -> None:
        """Publish their names; the demo goes on without them, too."""
        try:
            asyncio.run(publish_names(self.settings.kafka, organization_names(count)))
        except VoicemonError as error:
            say(f"Organisations have no names: {error}")

    def _stored(self, end: Offsets) -> int:
        """Events in ClickHouse that come from the log between the start and `end`."""
        parts: list[str] = []
        parameters: dict[str, int] = {}
        for number, (_, first) in self.start.items():
            parts.append(
                f"source_partition = {{p{number}:UInt32}}"
                f" AND source_offset >= {{f{number}:UInt64}} AND source_offset < {{e{number}:UInt64}}"
            )
            parameters |= {f"p{number}": number, f"f{number}": first, f"e{number}": end[number][1]}
        statement = f"SELECT uniqExact(eventId) FROM events FINAL WHERE {' OR '.join(parts)}"  # noqa: S608  (numbers)
        with clear_errors(self.settings.clickhouse):
            result: Any = self.store.query(statement, parameters=parameters)
        return int(result.result_rows[0][0])


def _recounted(report: Report) -> Counts:
    partitions = report.partitions
    return Counts(
        sum(at.accepted for at in partitions),
        sum(at.duplicates for at in partitions),
        sum(at.refused for at in partitions),
    )


def _settled(settings: Settings, seconds: float, stop: threading.Event, say: Callable[[str], None]) -> Offsets:
    """Committed and end offsets once all is committed, so counted and stored; the last ones seen after `seconds`.

    Once `stop` is set it waits for some seconds only.
    """
    began = time.monotonic()
    while True:
        offsets = asyncio.run(group_lag(settings.kafka))
        behind = sum(end - committed for committed, end in offsets.values())
        if not behind:
            return offsets
        patience = min(seconds, SETTLE_SECONDS_INTERRUPTED) if stop.is_set() else seconds
        if time.monotonic() - began > patience:
            say(f"{behind:,} records are not counted and stored after {patience:g} s.")
            return offsets
        time.sleep(POLL_SECONDS)
