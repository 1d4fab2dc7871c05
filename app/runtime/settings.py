"""All settings, from environment variables with the prefix `VOICEMON_`; no other module reads the environment.

A setting `kafka.bootstrap` is `VOICEMON_KAFKA_BOOTSTRAP`. Names that end in `_ms`, `_seconds`, `_hours`, `_days`
and `_bytes` carry that unit.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
PREFIX = "VOICEMON_"
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: value or None)]
"""A file, or none if the variable is empty."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSecurity(_Group):
    """How clients of the brokers prove who they are."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how the brokers are spoken to; SSL means TLS"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how user and password are proven with a SASL protocol"
    )
    user: str = Field("", description="user of a SASL protocol")
    password: SecretStr = Field(SecretStr(""), description="password of that user")
    password_file: OptionalFile = Field(None, description="file that holds the password instead")
    tls_ca_file: OptionalFile = Field(
        None, description="certificates (PEM) that the brokers' are checked against; empty: the system's"
    )
    tls_certificate_file: OptionalFile = Field(None, description="client certificate (PEM) for brokers that want one")
    tls_key_file: OptionalFile = Field(None, description="its key (PEM), where it is not in the certificate's file")
    tls_key_password: SecretStr = Field(SecretStr(""), description="password of an encrypted key")


class KafkaSettings(KafkaSecurity):
    """The broker, the topics and the consumer group."""

    bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated")
    topic_prefix: str = Field(
        "", description="put before every topic and the group, so that two deployments share a cluster"
    )
    group: str = Field("voice-pipeline-monitor", description="consumer group of the workers")
    instance_id: str = Field(
        "",
        description="static membership: a name that no other worker has, the same after a restart; a worker that is "
        "back within the session timeout takes its partitions up again without a rebalance. Empty: none",
    )
    partitions: int = Field(4, ge=1, description="partitions of topics that the monitor creates")
    replication_factor: int = Field(1, ge=1, description="replicas of topics that the monitor creates")
    timestamp_type: Literal["LogAppendTime", "CreateTime"] = Field(
        "LogAppendTime", description="timestamp type of voice-events; CreateTime is for tests with recorded timestamps"
    )
    max_message_bytes: int = Field(16 * MIB, ge=1024, description="largest record of voice-events")
    session_timeout_seconds: float = Field(7.0, gt=0, description="a dead worker's partitions move after this time")
    heartbeat_seconds: float = Field(2.0, gt=0, description="heartbeat of the group membership")


class ClickHouseSettings(_Group):
    """The store."""

    url: str = Field("http://127.0.0.1:8123", description="ClickHouse over HTTP or HTTPS")
    user: str = Field("voicemon_writer", description="user that may create tables and insert")
    password: SecretStr = Field(SecretStr("voicemon"), description="password of that user")
    password_file: OptionalFile = Field(None, description="file that holds the password instead")
    tls_ca_file: OptionalFile = Field(
        None, description="certificates (PEM) that the server's is checked against; empty: the usual authorities"
    )
    compression: Literal["auto", "zstd", "lz4", "none"] = Field(
        "auto", description="of what is sent and read; auto: inserts with zstd, but not on this machine"
    )
    cluster: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_{}.-]*$",
        description="name of a cluster: tables become replicated and distributed; empty: a single server",
    )
    readonly_user: str = Field("voicemon_reader", description="read-only user of the embedded endpoint")
    readonly_password: SecretStr = Field(SecretStr("voicemon"), description="password of the read-only user")
    database: str = Field("voicemon", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="database that holds all tables")
    request_timeout_seconds: float = Field(30.0, gt=0, description="deadline of one request")
    batch_rows: int = Field(100_000, ge=1, description="most rows in one insert")
    batch_bytes: int = Field(32_000_000, ge=1024, description="most bytes in one insert")
    batch_seconds: float = Field(1.0, gt=0, description="longest wait before an insert")
    backlog_bytes: int = Field(
        512 * MIB, ge=MIB, description="unstored rows kept while ClickHouse is away; then partitions pause"
    )
    retry_max_seconds: float = Field(30.0, gt=0, description="longest pause between retries in an outage")


class RetentionSettings(_Group):
    """How long things are kept."""

    events_hours: int = Field(48, ge=1, description="events stay visible after their timestamp")
    max_outage_hours: int = Field(
        120, ge=0, description="extra time of events on disk, so that a long catch-up finds whole days"
    )
    hourly_days: int = Field(7, ge=1, description="hourly snapshots")
    daily_days: int = Field(90, ge=1, description="daily snapshots")
    artifacts_days: int = Field(90, ge=1, description="state of finished artifacts")
    hour_activity_days: int = Field(14, ge=1, description="when an hour last got rows")


class IngestSettings(_Group):
    """Reading the log, counting, remembering ids."""

    max_age_hours: int = Field(48, ge=1, description="events older than this at their append time are refused")
    max_ahead_seconds: int = Field(300, ge=0, description="events further ahead of their append time are refused")
    range_records: int = Field(10_000, ge=1, description="most records handled in one step")
    inflight_ranges: int = Field(8, ge=1, description="ranges fetched but not yet counted")
    commit_seconds: float = Field(1.0, gt=0, description="offsets are committed this often")
    flush_seconds: float = Field(0.25, gt=0, description="changed counters go to their changelog this often")
    window_retention_hours: int = Field(
        3, ge=1, description="a counter window is kept this long after its end, by event time"
    )
    duplicates_hours: int = Field(48, ge=1, description="event ids are remembered this long")
    duplicates_max: int = Field(20_000_000, ge=1000, description="most event ids remembered over all partitions")
    store_rows: bool = Field(
        True, description="false: count only and store no event in ClickHouse, which is not needed then; for measuring"
    )
    rejects_in_a_row: int = Field(
        1000, ge=1, description="so many refused records of a partition one after the other pause all partitions"
    )
    rejects_ratio: float = Field(
        0.5, gt=0, le=1, description="a larger share of refused records of a partition pauses all partitions"
    )
    rejects_window: int = Field(10_000, ge=1, description="records of a partition over which that share is taken")
    accept_rejects: bool = Field(False, description="true: never pause, whatever is refused")
    stale_seconds: float = Field(10.0, gt=0, description="live figures older than this say stale: true")
    watchdog_seconds: float = Field(
        60.0, gt=0, description="a worker that has records to read and reads none for this long stops itself"
    )


class WebSettings(_Group):
    """The worker's web views."""

    host: str = Field(
        "127.0.0.1", description="address to listen on; any other than a loopback one needs an access token"
    )
    port: int = Field(6066, ge=0, le=65535, description="port to listen on")
    tokens: SecretStr = Field(
        SecretStr(""), description="access tokens, `NAME SCOPE SECRET` each, separated by `;`; see docs/access.md"
    )
    tokens_file: str = Field("", description="file with access tokens, one a line")
    client_token: SecretStr = Field(SecretStr(""), description="token that our own commands send to a worker")
    session_key: SecretStr = Field(
        SecretStr(""),
        description="signs sign-ins together with the tokens; the same for all workers behind one address",
    )
    session_hours: float = Field(12.0, gt=0, description="a sign-in ends after this time")
    secure_cookie: bool = Field(False, description="true behind TLS: the sign-in cookie is sent over https only")
    allowed_hosts: str = Field(
        "", description="host names under which browsers reach the worker, comma-separated; loopback always may"
    )
    trusted_proxies: str = Field(
        "", description="addresses or networks, comma-separated, whose X-Forwarded-For says who signs in"
    )
    open_health: bool = Field(False, description="true: /health/live and /health/ready need no token")
    open_metrics: bool = Field(False, description="true: /metrics needs no token")
    failed_sign_ins: int = Field(10, ge=1, description="failed sign-ins of one address in a minute before it must wait")
    query_threads: int = Field(4, ge=1, le=64, description="questions to ClickHouse at the same time")
    query_queue: int = Field(64, ge=1, description="questions that may wait for such a thread; more are told 503")
    query_seconds: float = Field(10.0, gt=0, description="deadline of an answer that needs ClickHouse")
    stream_readers: int = Field(500, ge=1, description="most readers of /api/v1/stream at once")
    stream_lookback_seconds: float = Field(
        600.0, ge=0, description="a reader that comes back within this time gets the events that it missed"
    )


class RollupSettings(_Group):
    """Snapshots."""

    interval_seconds: float = Field(
        60.0, gt=0, le=1800, description="dirty hours are recomputed this often, at least every half hour"
    )
    settle_seconds: float = Field(
        60.0, ge=0, description="an hour stays dirty until computed this long after its last row"
    )
    copies_seconds: float = Field(
        60.0, gt=0, description="rest between looks for copies that came through several partitions with other content"
    )


class LocalSettings(_Group):
    """The local stack."""

    data_dir: Path = Field(Path(".voicemon"), description="folder of the local stack")
    kafka_port: int = Field(9092, ge=0, le=65535, description="port of the local Kafka")
    clickhouse_port: int = Field(8123, ge=0, le=65535, description="port of the embedded ClickHouse")
    kafka_heap: str = Field(
        "512m", pattern=r"^([1-9]\d{0,2}m|10[01]\dm|102[0-4]m|1g)$", description="heap of the local Kafka, at most 1g"
    )
    cache_dir: Path = Field(Path("~/.cache/voicemon"), description="folder that keeps the jars of the local Kafka")
    java: str = Field("java", description="Java of version 17 or later, a name on the PATH or a path")
    maven: str = Field("mvn", description="Maven, a name on the PATH or a path; used once to fetch the jars")
    clickhouse_memory_bytes: int = Field(
        2_000_000_000, ge=256 * MIB, description="memory cap of the embedded ClickHouse"
    )
    clickhouse_request_bytes: int = Field(
        256 * MIB, ge=MIB, description="largest request body that the embedded ClickHouse takes, decompressed"
    )
    start_seconds: float = Field(120.0, gt=0, description="a service of the local stack must answer after this time")
    stop_seconds: float = Field(30.0, gt=0, description="a service that is asked to end is killed after this time")


class TestSettings(_Group):
    """Which services the integration tests use."""

    __test__ = False
    kafka: str = Field("", description="bootstrap of a running Kafka for the tests")
    clickhouse: str = Field("", description="URL of a running ClickHouse for the tests, with user and password in it")
    kafka_image: str = Field("apache/kafka:4.0.0", description="image that testcontainers starts")
    clickhouse_image: str = Field("clickhouse/clickhouse-server:latest", description="image that testcontainers starts")
    use_docker: Literal["auto", "never"] = Field("auto", description="never: do not look for a Docker engine")


class FaultSettings(_Group):
    """Deliberate crashes, for tests of what a crash leaves behind."""

    point: str = Field("", description="fault point at which the process kills itself; empty for none")
    passes: int = Field(0, ge=0, description="how often the fault point is passed before")


class LogSettings(_Group):
    """Log lines."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe line written")


class Settings(BaseSettings):
    """The whole tree; frozen, checked at start, unknown `VOICEMON_` names are refused by `config check`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="forbid"
    )
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    retention: RetentionSettings = RetentionSettings()
    ingest: IngestSettings = IngestSettings()
    web: WebSettings = WebSettings()
    rollup: RollupSettings = RollupSettings()
    local: LocalSettings = LocalSettings()
    test: TestSettings = TestSettings()
    fault: FaultSettings = FaultSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def from_environment(cls) -> "Settings":
        """Settings with the environment applied.

        Raises pydantic.ValidationError if a value does not fit.
        """
        return cls()

    @classmethod
    def from_known_names(cls) -> "Settings":
        """The same without the variables that are no settings.

        Raises pydantic.ValidationError if a value does not fit.
        """
        unknown = {name: os.environ.pop(name) for name in unknown_names()}  # noqa: TID251
        try:
            return cls()
        finally:
            os.environ.update(unknown)  # noqa: TID251


def unknown_names() -> list[str]:
    """Variables of the environment that look like settings and are none, in alphabetical order."""
    known = {
        f"{PREFIX}{group}_{name}".upper()
        for group, field in Settings.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    }
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)  # noqa: TID251


def inherited_environment() -> dict[str, str]:
    """A copy of this process's environment, for programs that it starts."""
    return dict(os.environ)  # noqa: TID251  (this module is the one that reads it)
