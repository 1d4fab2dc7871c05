"""Composition root: which agents, tables and sinks a worker consists of, in the order of the data flow."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aiokafka.errors import KafkaError
from faust import SASLCredentials, SSLCredentials
from faust.transport.drivers import TRANSPORTS
from faust.types.auth import CredentialsT

from agents import ingest_events
from agents.ingest_events import Ingest
from agents.reject_pause import RejectPause
from app.domain.events import AgeLimits
from app.domain.reject_limit import RejectLimit, RejectLimits
from app.domain.windows import HOUR_MS
from app.log_watch import LogWatch
from app.runtime.broker import DEAD_LETTER_ALLOWANCE, application_id, state_consumer
from app.runtime.clock import Clock
from app.runtime.faults import Faults
from app.runtime.kafka_access import security_options
from app.runtime.log_position import read_records
from app.runtime.ranges import RangePolicy
from app.runtime.settings import IngestSettings, KafkaSecurity, Settings
from app.runtime.state_producer import StateProducer, is_passing
from app.runtime.state_table import StateTable
from app.runtime.telemetry import Telemetry
from app.runtime.topics import Topics
from app.runtime.transport import RangeApp
from sinks.base import RefusedRow, Sink
from sinks.dead_letter import DeadLetterWriter
from sinks.writer import BatchingWriter
from tables.counters import CountersTable
from tables.seen_events import SeenEventsTable

TABLES = ("counters", "seen-events")
FETCH_BYTES = 1 * 1024 * 1024
NEVER_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a worker is built from."""

    app: RangeApp
    counters: CountersTable
    seen: SeenEventsTable
    ingest: Ingest
    writer: BatchingWriter


@dataclass(frozen=True, slots=True)
class Outside:
    """What a worker is connected to, and its name; `partitions` is the number of `voice-events`."""

    worker: str
    partitions: int
    producer: StateProducer
    sink: Sink
    telemetry: Telemetry
    clock: Clock


def build_app(settings: Settings, outside: Outside) -> Parts:
    """A Faust app with its agent, tables and sink attached; nothing is started."""
    topics = Topics(settings.kafka.topic_prefix)
    app = _faust_app(settings)
    faults = Faults(settings.fault)
    moves = {
        "producer": outside.producer,
        "consumer": lambda: state_consumer(settings.kafka),
        "partitions": outside.partitions,
        "faults": faults,
    }
    counters = CountersTable(
        app, retention_hours=settings.ingest.window_retention_hours, writer=outside.worker, **moves
    )
    limits = AgeLimits(settings.ingest.max_age_hours * HOUR_MS, settings.ingest.max_ahead_seconds * 1000)
    # An id can come again until its timestamp is too old, and a timestamp may be ahead of its append time.
    horizon_ms = settings.ingest.duplicates_hours * HOUR_MS + limits.max_ahead_ms
    seen = SeenEventsTable(app, horizon_ms=horizon_ms, maximum=settings.ingest.duplicates_max, **moves)
    counters.on_foreign_writer = seen.log_all
    for table in (counters, seen):
        app.tables.add(table)

    async def stored(partition: int, last_offset: int, refused: Sequence[RefusedRow]) -> None:
        await ingest.stored(partition, last_offset, refused)  # which writes through the writer, so it comes later

    writer = BatchingWriter(
        outside.sink, settings.clickhouse, outside.clock, stored, topic=topics.events, telemetry=outside.telemetry
    )
    limit = settings.kafka.max_message_bytes + DEAD_LETTER_ALLOWANCE
    dead_letters = DeadLetterWriter(outside.producer, topics.dead_letters, limit_bytes=limit)
    ingest = Ingest(
        topic=topics.events,
        counters=counters,
        seen=seen,
        writer=writer,
        dead_letters=dead_letters,
        telemetry=outside.telemetry,
        limits=limits,
        stores_rows=settings.ingest.store_rows,
        reread=partial(read_records, settings.kafka),
        faults=faults,
        renew_producer=outside.producer.give_up,
        pause=_reject_pause(settings.ingest),
    )
    app.range_policy = _policy(settings, outside, (counters, seen), ingest)
    ingest_events.attach(app, ingest)
    return Parts(app, counters, seen, ingest, writer)


async def flush(tables: Collection[StateTable], partitions: Collection[int], telemetry: Telemetry) -> bool:
    """Deliver the changed state of partitions to the changelogs; False if Kafka does not take it now.

    Raises KafkaError where trying again cannot help.
    """
    for table in tables:
        started = time.perf_counter()
        try:
            count = sum(await asyncio.gather(*[table.flush(partition) for partition in partitions]))
        except KafkaError as error:
            if not is_passing(error):
                raise
            telemetry.flush_failed(table.name, repr(error))
            return False
        if count:
            telemetry.state_flushed(table.name, count, time.perf_counter() - started)
    return True


def _reject_pause(settings: IngestSettings) -> RejectPause:
    if settings.accept_rejects:
        return RejectPause(None)
    limits = RejectLimits(settings.rejects_in_a_row, settings.rejects_ratio, settings.rejects_window)
    return RejectPause(RejectLimit(limits))


def _policy(
    settings: Settings, outside: Outside, tables: tuple[CountersTable, SeenEventsTable], ingest: Ingest
) -> RangePolicy:
    async def before_commit(partitions: Collection[int]) -> bool:
        return await flush(tables, partitions, outside.telemetry)

    def after_commit(append_ms: Mapping[int, int]) -> None:
        for partition, committed_ms in append_ms.items():
            tables[1].trim(partition, committed_ms)

    return RangePolicy(
        topics=frozenset({Topics(settings.kafka.topic_prefix).events}),
        records=settings.ingest.range_records,
        in_flight=settings.ingest.inflight_ranges,
        before_commit=before_commit,
        after_commit=after_commit,
        forget=ingest.forget,
        other_logs=LogWatch(settings.kafka, *tables, outside.telemetry, outside.partitions).other_logs,
        faults=ingest.faults,
    )


def _faust_app(settings: Settings) -> RangeApp:
    TRANSPORTS.aliases["voicemon"] = "app.runtime.transport:Transport"
    kafka = settings.kafka
    first, *others = [server.strip() for server in kafka.bootstrap.split(",")]
    return RangeApp(
        application_id(kafka),
        env={},  # else unprefixed variables such as BROKER_URL would win over these arguments
        broker=";".join([f"voicemon://{first}", *others]),
        broker_credentials=faust_credentials(kafka),
        autodiscover=False,
        store="memory://",
        broker_commit_interval=NEVER_SECONDS,  # the worker commits, in step with its changelog flushes
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_heartbeat_interval=kafka.heartbeat_seconds,
        broker_request_timeout=max(30.0, kafka.session_timeout_seconds),
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=kafka.instance_id or None,
        consumer_max_fetch_size=FETCH_BYTES,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        table_standby_replicas=0,
        recovery_consistency_check=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=kafka.partitions,
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
    )


def faust_credentials(security: KafkaSecurity) -> CredentialsT | None:
    """How Faust's own clients prove who they are; None for brokers that ask nothing."""
    options = security_options(security)
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context else None
