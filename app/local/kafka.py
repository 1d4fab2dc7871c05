"""Apache Kafka as one KRaft node on the loopback address."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.local.kafka_jars import POM, class_archive, find_java, kafka_jars
from app.local.kafka_storage import cluster_id, format_once, write_properties
from app.local.ports import HOST, free_port
from app.local.processes import POLL_SECONDS, Command, start_guarded, stop_guard
from app.runtime.settings import LocalSettings

PROBE_SECONDS = 2.0
# The first compiler only: a start takes 6 s of processor time instead of 10, and writing and reading 300,000 records of
# 500 bytes 2.5 s instead of 6, because the second compiler costs more than its code saves in runs as short as ours.
FAST_START = "-XX:TieredStopAtLevel=1"


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
        archive = class_archive(java, jars, lambda folder, target: self._run_once(folder, java, jars, target))
        return self._command([java, f"-XX:SharedArchiveFile={archive}"] if archive else [java], jars)

    def is_answering(self, seconds: float) -> bool:
        """Whether this very cluster (not a foreign one on the same port) answers a client within `seconds`."""
        return answers(self.address, seconds, cluster_id(self.folder))

    def _command(self, java: Sequence[str], jars: Path, options: Sequence[str] = ()) -> Command:
        properties = write_properties(self.folder, self.port, free_port())
        log4j = POM.with_name("log4j2.xml").as_uri()
        logs = [f"-Dvoicemon.log={self.logs[0]}", f"-Dlog4j2.configurationFile={log4j}"]
        # The wildcard lets Java itself list the jars: as a list they would fill the process table's lines.
        start = [*java, FAST_START, "-cp", f"{jars}/*", *logs]
        format_once([*start, "kafka.tools.StorageTool"], self.folder, self._settings.start_seconds)
        machine = [f"-Xmx{self._settings.kafka_heap}", "-XX:+ExitOnOutOfMemoryError", *options]
        # Java decodes file names by the locale; in the plain C locale an accent in a folder's name would be lost.
        locale = {"LC_ALL": "C.UTF-8"}
        return Command([*start, *machine, "kafka.Kafka", str(properties)], self.logs[1], locale)

    def _run_once(self, folder: Path, java: str, jars: Path, archive: Path) -> None:
        """Start and stop a broker that writes the archive of its classes when it ends."""
        self._say("Preparing Kafka's class archive, which halves the time of every later start (once) …")
        broker = LocalKafka(folder, free_port(), self._settings, self._say)
        guard = start_guarded(broker._command([java], jars, [f"-XX:ArchiveClassesAtExit={archive}"]))
        try:
            deadline = time.monotonic() + self._settings.start_seconds
            while guard.poll() is None and not broker.is_answering(PROBE_SECONDS) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        finally:
            stop_guard(guard, self._settings.stop_seconds)


def answers(address: str, seconds: float, cluster: str | None = None) -> bool:
    """Whether a broker at `address` (of this cluster, if one is named) answers a client within `seconds`."""
    # A thread of its own: the caller may already run an event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _describes(address, seconds, cluster)).result()


async def _describes(address: str, seconds: float, cluster: str | None) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=int(seconds * 1000))
    try:
        async with asyncio.timeout(seconds):
            with _quiet_client():
                await client.start()
            found = await client.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
    return bool(found["brokers"]) and cluster in (None, found["cluster_id"])


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
