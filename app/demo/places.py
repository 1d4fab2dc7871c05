"""Where the demo's services run: ports, folder, addresses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.local.ports import HOST, check_port, free_port
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import without_security
from app.runtime.settings import Settings

ROLLUP_SECONDS = 5.0
STOP_SECONDS = 8.0
"""A service that is asked to end is killed after that time, so that Ctrl-C ends the demo soon."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """What a user may open or connect to while the demo runs."""

    worker: str
    kafka: str
    clickhouse: str
    worker_log: Path

    def lines(self, settings: Settings) -> list[str]:
        """For people, one line an address."""
        return [
            f"Live figures   {self.worker}/api/v1/metrics/realtime",
            f"Counter table  {self.worker}/tables/counters/",
            f"Metrics        {self.worker}/metrics   readiness {self.worker}/health/ready",
            f"ClickHouse     {self.clickhouse}   user {settings.clickhouse.user}, "
            f"read-only user {settings.clickhouse.readonly_user}, database {settings.clickhouse.database}",
            f"Kafka          {self.kafka}",
            f"Worker's log   {self.worker_log}",
        ]


def demo_settings(settings: Settings, data: Path | None, *, auto_ports: bool) -> Settings:
    """The settings with a folder of the demo's own and its ports.

    Ports are those of the settings where they are free, else free ones; `auto_ports`: always free ones.
    """
    kafka = _port(settings.local.kafka_port, auto_ports)
    clickhouse = _port(settings.local.clickhouse_port, auto_ports)
    changes: dict[str, dict[str, Any]] = {
        "local": {
            "data_dir": (data or settings.local.data_dir / "demo").expanduser().absolute(),
            "kafka_port": kafka,
            "clickhouse_port": clickhouse,
            "stop_seconds": min(STOP_SECONDS, settings.local.stop_seconds),
        },
        "clickhouse": {"url": f"http://{HOST}:{clickhouse}", "cluster": ""},
        "web": {"host": HOST, "port": _port(settings.web.port, auto_ports)},
        # Somebody watches: the snapshots of hours that got late events shall not take a minute to appear.
        "rollup": {"interval_seconds": min(ROLLUP_SECONDS, settings.rollup.interval_seconds)},
    }
    groups = {name: getattr(settings, name).model_copy(update=update) for name, update in changes.items()}
    groups["kafka"] = without_security(settings.kafka, f"{HOST}:{kafka}", replication_factor=1)
    return settings.model_copy(update=groups)


def _port(wanted: int, auto: bool) -> int:
    if auto:
        return free_port()
    try:
        return check_port(wanted, "the demo", "its port")
    except VoicemonError:
        return free_port()
