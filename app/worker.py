"""Life of a worker process: serve at once, wait for Kafka and ClickHouse, ingest, and stop without losing a record."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

import structlog
from aiokafka.errors import KafkaError

from app.artifact_cleanup import delete_old_artifacts
from app.artifact_refresh import keep_artifacts
from app.copies import remove_copies
from app.duty import FIRST_PARTITION
from app.live import LiveWorker
from app.log_watch import PartitionsAdded, until_partitions_are_added
from app.main import TABLES, Outside, Parts, build_app, flush
from app.minute_figures import keep_minutes
from app.organization_names import keep_names
from app.runtime.broker import prepare_topics, state_producer
from app.runtime.clock import Clock, SystemClock
from app.runtime.errors import BrokerUnavailable, SinkUnavailable, VoicemonError
from app.runtime.flushing import Flushing
from app.runtime.kafka_errors import broker_error, missing_right
from app.runtime.membership import InstanceTaken
from app.runtime.settings import Settings
from app.runtime.state_producer import StateProducer
from app.runtime.stopping import until_done
from app.runtime.telemetry import Telemetry
from app.runtime.transport import RangeApp
from app.runtime.watchdog import Watchdog
from app.snapshots import keep_snapshots
from app.web.server import build_web, serving
from sinks.clickhouse.client import StoreError, connect
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.sink import ClickHouseSink

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

RETRY_SECONDS = 1.0
DRAIN_SECONDS = 3.0
BLOCKED_DRAIN_SECONDS = 0.5
STOP_SECONDS = 3.0
PRODUCER_STOP_SECONDS = 1.0
WATCH_SECONDS = 0.2
BEHIND_SHARE = 8
"""Rows are many, and their events not of this moment, if they fill such a part of the backlog."""
LONGEST_STOP_SECONDS = 8.0
"""With the end of the web views a worker has left within 10 s; what it has not committed is read again."""


class WorkerCrashed(VoicemonError):
    """The worker met something unforeseen and stopped without a commit; a restart reads on from the last one."""


class Worker:
    """One worker; `run` it once."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, telemetry: Telemetry | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.telemetry = telemetry or Telemetry()
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.view = LiveWorker(settings, self.clock, self.telemetry)

    async def run(self, stop: asyncio.Event, on_serving: Callable[[int], None] = lambda port: None) -> None:
        """Work until `stop` is set, then finish within 10 s. `on_serving` is told the port of the web views.

        Raises WorkerCrashed if the worker stopped by itself, VoicemonError if its port is taken.
        """
        web = build_web(self.view, self.settings)
        async with serving(web, self.settings.web) as port:
            log.info("Worker serves its views", url=f"http://{self.settings.web.host}:{port}")
            on_serving(port)
            work = asyncio.create_task(self._work(stop))
            await asyncio.wait([work, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
            if not await until_done(work, LONGEST_STOP_SECONDS if stop.is_set() else None):
                log.warning("The worker did not stop in time and leaves; what is uncommitted will be read again")

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            partitions = await self._until_it_answers("kafka", self._prepare_topics, stop)
            if partitions is not None:
                await self._work_on(partitions, stop)
        log.info("Worker has stopped")

    async def _work_on(self, partitions: int, stop: asyncio.Event) -> None:
        """Work until `stop`, or until the log has more partitions than these."""
        producer = await self._until_it_answers("kafka", self._start_producer, stop)
        if producer is None:
            return
        async with AsyncExitStack() as resources:
            resources.push_async_callback(lambda: _within(PRODUCER_STOP_SECONDS, producer.stop()))
            sink = ClickHouseSink(self.settings.clickhouse)
            resources.push_async_callback(sink.close)
            parts = build_app(self.settings, Outside(self.name, partitions, producer, sink, self.telemetry, self.clock))
            self.view.started(parts, partitions)
            await self._run_parts(parts, partitions, stop)
            if not stop.is_set():
                self.view.stopped("voice-events has got more partitions: the worker joins the group again")

    async def _run_parts(self, parts: Parts, partitions: int, stop: asyncio.Event) -> None:
        """Run until `stop`, or until the log has more than the partitions that the parts were built for."""
        added = asyncio.create_task(until_partitions_are_added(self.settings.kafka, partitions), name="partitions")
        tasks: list[asyncio.Task[Any]] = [
            added,
            asyncio.create_task(_started(parts.app), name="app"),
            asyncio.create_task(self._store(parts, stop), name="store"),
            asyncio.create_task(parts.counters.follower.run(), name="follow"),
            asyncio.create_task(self._flush_changelogs(parts), name="flush"),
            asyncio.create_task(self._watch(parts, stop), name="watch"),
            asyncio.create_task(parts.app._crashed.wait(), name="crash"),
            asyncio.create_task(stop.wait(), name="stop"),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if added in ended or isinstance(parts.app.crash_reason, PartitionsAdded):
                log.warning("The log has got more partitions: joining the group again", before=partitions)
            else:
                self._raise_failure(parts, ended, stop)
        finally:
            await self._stop_parts(parts)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _raise_failure(self, parts: Parts, ended: set[asyncio.Task[Any]], stop: asyncio.Event) -> None:
        reason = parts.app.crash_reason if parts.app.crashed else None
        for task in ended:
            reason = reason or task.exception()
        if isinstance(reason, InstanceTaken):
            raise reason
        if reason is not None:
            log.error("Worker stops without a commit; start it again", reason=repr(reason))
            cause = f"Kafka failed ({type(reason).__name__})" if isinstance(reason, KafkaError) else str(reason)
            cause = missing_right(reason, self.settings.kafka) or cause
            raise WorkerCrashed(
                f"the worker has stopped: {cause}; start it again, it reads on from its last commit"
            ) from reason
        if not stop.is_set():
            raise WorkerCrashed("the worker has stopped: a task of it ended early")

    async def _stop_parts(self, parts: Parts) -> None:
        """Fetch nothing more, store what is counted if the store lets us, commit what is stored, leave the group."""
        if parts.app._consumer is not None and not parts.app.crashed:
            parts.app.consumer.hold()
            is_blocked = parts.writer.is_blocked or self.view.lacks("clickhouse")
            await parts.writer.drain(BLOCKED_DRAIN_SECONDS if is_blocked else DRAIN_SECONDS)
        await _within(STOP_SECONDS, parts.app.stop())

    async def _prepare_topics(self) -> int:
        return await prepare_topics(self.settings.kafka, TABLES)

    async def _start_producer(self) -> StateProducer:
        producer = StateProducer(lambda: state_producer(self.settings.kafka))
        try:
            await producer.start()
        except KafkaError as error:
            raise await broker_error(self.settings.kafka, error) from error
        return producer

    async def _until_it_answers(
        self, name: str, attempt: Callable[[], Awaitable[Result]], stop: asyncio.Event
    ) -> Result | None:
        """What the attempt gives once it works, None if the worker is stopped first; logs each change of state once."""
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            trying = asyncio.ensure_future(attempt())
            await asyncio.wait([trying, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not trying.done():
                trying.cancel()
                break
            try:
                result = await trying
            except (BrokerUnavailable, SinkUnavailable, StoreError) as error:
                if self.view.waits_for(name, str(error)):
                    tell = log.error if error.needs_operator else log.warning
                    tell("Worker waits", wait_for=name, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
            else:
                self.view.has(name)
                stopped.cancel()
                return result
        return None

    async def _store(self, parts: Parts, stop: asyncio.Event) -> None:
        """Bring the schema up to date, then write rows, compute snapshots and follow names for ever."""
        if not self.settings.ingest.store_rows:
            self.view.has("clickhouse")
            await parts.writer.run()  # ranges without rows are confirmed without a write
            return
        if await self._until_it_answers("clickhouse", self._migrate, stop) is None:
            return

        def is_on_duty() -> bool:
            return FIRST_PARTITION in parts.counters.loaded_partitions

        def is_behind() -> bool:
            return parts.writer.backlog_bytes > self.settings.clickhouse.backlog_bytes // BEHIND_SHARE

        async with asyncio.TaskGroup() as group:
            group.create_task(parts.writer.run())
            group.create_task(keep_names(self.settings, self.telemetry, is_on_duty))
            group.create_task(keep_snapshots(self.settings, self.clock, self.telemetry, is_on_duty))
            group.create_task(keep_artifacts(self.settings, self.telemetry, is_on_duty, is_behind))
            group.create_task(delete_old_artifacts(self.settings, self.clock, is_on_duty))
            group.create_task(remove_copies(self.settings, is_on_duty))
            group.create_task(keep_minutes(self.settings, self.clock, is_on_duty))

    async def _migrate(self) -> bool:
        await asyncio.to_thread(self._migrate_in_thread)
        return True

    def _migrate_in_thread(self) -> None:
        client = connect(self.settings.clickhouse)
        try:
            migrate(client, self.settings)
        finally:
            client.close()

    async def _flush_changelogs(self, parts: Parts) -> None:
        """Deliver changed state and commit, for ever."""
        tables, app, ingest = (parts.counters, parts.seen), parts.app, self.settings.ingest

        async def flush_all() -> None:
            await flush(tables, parts.counters.loaded_partitions & parts.seen.loaded_partitions, self.telemetry)

        async def commit() -> None:
            await app.consumer.commit()

        flushing = Flushing(
            flush_all,
            commit,
            lambda: app._consumer is not None and not app.should_stop and not app.rebalancing,
            flush_seconds=ingest.flush_seconds,
            commit_seconds=ingest.commit_seconds,
        )
        await flushing.run()

    async def _watch(self, parts: Parts, stop: asyncio.Event) -> None:
        """Pause fetching while the backlog is full, keep the gauges, stop a worker that is at a standstill."""
        watchdog = Watchdog(self.settings.ingest.watchdog_seconds, asyncio.get_running_loop().time)
        while True:
            if parts.app._consumer is not None and not stop.is_set():
                self._bound_backlog(parts)
                watchdog.look(parts.ingest.records_taken, self.view.should_be_reading())
            self.view.keep_gauges()
            await asyncio.sleep(WATCH_SECONDS)

    def _bound_backlog(self, parts: Parts) -> None:
        consumer, backlog = parts.app.consumer, parts.writer.backlog_bytes
        if parts.writer.is_full and not consumer.is_held:
            consumer.hold()
            log.warning("Backlog is full: partitions pause until ClickHouse takes rows", backlog_bytes=backlog)
        elif consumer.is_held and backlog < self.settings.clickhouse.backlog_bytes // 2:
            consumer.release()
            log.info("Backlog has room again: partitions go on", backlog_bytes=backlog)


async def _started(app: RangeApp) -> None:
    """Start the app; ends by failure only."""
    await app.start()
    await asyncio.Event().wait()


async def _within(seconds: float, stopping: Coroutine[object, object, object]) -> None:
    """Wait for a client to stop, but not longer: without its service it may wait much longer than we have."""
    task = asyncio.create_task(stopping)
    await asyncio.wait([task], timeout=seconds)
    if not task.done() or task.exception() is not None:
        reason = repr(task.exception()) if task.done() else "it takes too long"
        log.warning("A Kafka client did not stop well; what is uncommitted will be read again", reason=reason)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at SIGTERM or SIGINT of this process."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
