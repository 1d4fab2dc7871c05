"""Keeps the snapshots up to date while a worker runs."""

import asyncio

import structlog
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client

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
    roll_up = CountedRollUp(settings, clock, telemetry)
    while True:
        if not is_on_duty():
            roll_up.close()
            telemetry.retention_seen(0.0, 0.0)  # the worker on duty looks at it
            await until_on_duty(is_on_duty)
        try:
            until_ms = await stored_until_ms(settings.kafka, clock)
            await asyncio.to_thread(roll_up.run_once, until_ms)
        except (KafkaError, BrokerUnavailable, SinkUnavailable, StoreError, OSError) as error:
            roll_up.close()
            telemetry.rolled_up(0, 1, 0.0)
            log.warning("Snapshots not computed, trying again later", reason=str(error) or type(error).__name__)
        await asyncio.sleep(settings.rollup.interval_seconds)


class CountedRollUp:
    """A roll-up with a connection of its own, which knows from run to run what it has looked at."""

    def __init__(self, settings: Settings, clock: Clock, telemetry: Telemetry) -> None:
        self._settings, self._clock, self._telemetry = settings, clock, telemetry
        self._client: Client | None = None
        self._roll_up: RollUp | None = None

    def run_once(self, until_ms: int) -> None:
        """Compute what is due and look at what lies on disk. Raises SinkUnavailable or StoreError."""
        if self._roll_up is None:
            self._client = connect(self._settings.clickhouse)
            self._roll_up = RollUp(self._client, self._settings, self._clock, CountedRollUps(self._telemetry))
        self._roll_up.run_once(until_ms)
        self._telemetry.retention_seen(*self._roll_up.retention_seconds())

    def close(self) -> None:
        """The connection is closed; the next run makes another one and looks at everything."""
        if self._client is not None:
            self._client.close()
        self._client = self._roll_up = None
