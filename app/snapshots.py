"""Keeps the snapshots up to date while a worker runs."""

import asyncio

import structlog
from aiokafka.errors import KafkaError

from agents.roll_up import LogOnly, RollUp, RollUpResult
from app.duty import IsOnDuty, until_on_duty
from app.runtime.clock import Clock
from app.runtime.errors import BrokerUnavailable, SinkUnavailable
from app.runtime.log_position import stored_until_ms
from app.runtime.settings import Settings
from app.runtime.telemetry import Telemetry
from sinks.clickhouse.client import StoreError, connect

log = structlog.get_logger(__name__)


class CountedRollUps(LogOnly):
    """Log lines and metrics of roll-up runs."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def snapshots_computed(self, result: RollUpResult) -> None:
        """One run is over."""
        super().snapshots_computed(result)
        self._telemetry.rolled_up(len(result.hours), len(result.failed), result.seconds)


async def keep_snapshots(settings: Settings, clock: Clock, telemetry: Telemetry, is_on_duty: IsOnDuty) -> None:
    """Recompute dirty hours and days now and at every interval, while on duty, for ever.

    Any worker may do it: how far the log is stored comes from the group's commits. While Kafka or ClickHouse does not
    answer a run is left out; the next one finds the same periods dirty.
    """
    while True:
        if not is_on_duty():
            telemetry.retention_seen(0.0, 0.0)  # the worker on duty looks at it
            await until_on_duty(is_on_duty)
        try:
            until_ms = await stored_until_ms(settings.kafka, clock)
            await asyncio.to_thread(_run_once, settings, clock, telemetry, until_ms)
        except (KafkaError, BrokerUnavailable, SinkUnavailable, StoreError, OSError) as error:
            telemetry.rolled_up(0, 1, 0.0)
            log.warning("Snapshots not computed, trying again later", reason=str(error) or type(error).__name__)
        await asyncio.sleep(settings.rollup.interval_seconds)


def _run_once(settings: Settings, clock: Clock, telemetry: Telemetry, until_ms: int) -> None:
    client = connect(settings.clickhouse)
    try:
        roll_up = RollUp(client, settings, clock, CountedRollUps(telemetry))
        roll_up.run_once(until_ms)
        telemetry.retention_seen(*roll_up.retention_seconds())
    finally:
        client.close()
