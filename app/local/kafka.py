"""Apache Kafka as one KRaft node on the loopback address."""

import asyncio
import base64
import logging
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.local.kafka_jars import POM, find_java, kafka_jars
from app.local.ports import HOST, free_port
from app.local.processes import Command, log_tail
from app.runtime.errors import VoicemonError
from app.runtime.settings import MIB, LocalSettings

FORMAT_SECONDS = 60
# The first compiler only: a start takes 6 s of processor time instead of 10, and writing and reading 300,000 records
# of 500 bytes 2.5 s instead of 6, because the second compiler costs more than its code saves in runs as short as ours.
FAST_START = ("-XX:TieredStopAtLevel=1",)
NEVER = 2**63 - 1
PROPERTIES: dict[str, str | int] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    # A worker joins its group in 2 s instead of 5.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "message.max.bytes": 20 * MIB,
    "replica.fetch.max.bytes": 20 * MIB,
    # Recorded events keep their old or future timestamps: nothing may expire or be refused for its age. Topics that
    # shall forget say so themselves.
    "log.retention.ms": -1,
    "log.message.timestamp.before.max.ms": NEVER,
    "log.message.timestamp.after.max.ms": NEVER,
    # The default takes 128 MiB of a heap of 512.
    "log.cleaner.dedupe.buffer.size": 16 * MIB,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
}


class LocalKafka:
    """The broker of the local stack; its storage in `folder` is formatted once and kept between runs."""

    name = "kafka"
    title = "Kafka"

    def __init__(self, folder: Path, port: int, settings: LocalSettings, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.port = port
        self._settings = settings
        self._say = say

    @property
    def address(self) -> str:
        """Bootstrap address."""
        return f"{HOST}:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The setting that points the monitor at this broker."""
        return {"VOICEMON_KAFKA_BOOTSTRAP": self.address}

    @property
    def logs(self) -> Sequence[Path]:
        """Kafka's own log, and what the Java machine prints."""
        return [self.folder / "kafka.log", self.folder / "console.log"]

    def prepare(self) -> Command:
        """Format the storage if needed and write server.properties; returns the broker's command.

        Raises VoicemonError if Java, Maven or the jars are missing or the storage cannot be formatted.
        """
        java = find_java(self._settings.java)
        jars = kafka_jars(self._settings, self._say)
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text(self._properties())
        start = [
            java,
            "-cp",
            f"{jars}/*",
            f"-Dvoicemon.log={self.logs[0]}",
            f"-Dlog4j2.configurationFile={_log4j().as_uri()}",
        ]
        self._format_once([*start, *FAST_START, "kafka.tools.StorageTool"], properties)
        heap = self._settings.kafka_heap
        return Command(
            [*start, f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError", *FAST_START, "kafka.Kafka", str(properties)],
            self.logs[1],
        )

    def is_answering(self, seconds: float) -> bool:
        """Whether this very cluster (not a foreign one on the same port) answers a client within `seconds`."""
        return answers(self.address, seconds, self._cluster_id())

    def _properties(self) -> str:
        controller = f"{HOST}:{free_port()}"
        values = PROPERTIES | {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": (self.folder / "data").as_posix(),
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())

    def _format_once(self, tool: list[str], properties: Path) -> None:
        done = self.folder / "formatted"
        if done.exists():
            return
        # The id is fixed before the tool runs: one that was cut off goes on under the same id.
        command = [*tool, "format", "--ignore-formatted", "-t", self._cluster_id(), "-c", str(properties)]
        console = self.folder / "format.log"
        with console.open("wb") as output:
            code = subprocess.run(command, stdout=output, stderr=output, check=False, timeout=FORMAT_SECONDS).returncode
        if code != 0:
            raise VoicemonError(
                f"Kafka's storage in {self.folder} could not be formatted (exit code {code}): "
                f"choose another folder with --data; the last lines of {console}:\n{log_tail(console)}"
            )
        done.touch()

    def _cluster_id(self) -> str:
        path = self.folder / "cluster-id"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            # A leading letter: the tool takes a leading "-" for an option.
            path.write_text("v" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22])
        return path.read_text().strip()


def _log4j() -> Path:
    return POM.with_name("log4j2.xml")


def answers(address: str, seconds: float, cluster_id: str | None = None) -> bool:
    """Whether a broker at `address` (of this cluster, if one is named) answers a client within `seconds`."""
    # A thread of its own: the caller may already run an event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _describes(address, seconds, cluster_id)).result()


async def _describes(address: str, seconds: float, cluster_id: str | None) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=int(seconds * 1000))
    try:
        async with asyncio.timeout(seconds):
            with _quiet_client():
                await client.start()
            cluster = await client.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
    return bool(cluster["brokers"]) and cluster_id in (None, cluster["cluster_id"])


@contextmanager
def _quiet_client() -> Iterator[None]:
    """A broker that is not there yet is expected: aiokafka would print an error for each attempt."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
