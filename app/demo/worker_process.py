"""The demo's worker: a process that ends with this one."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.local.processes import Command, log_tail, start_guarded, stop_guard
from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings
from app.runtime.worker_client import WorkerClient, WorkerUnavailable

READY_SECONDS = 60.0
POLL_SECONDS = 0.2
STOP_SECONDS = 10.0


class WorkerProcess:
    """A running worker and how to ask it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, url: str, token: str) -> None:
        self.log, self.url = log, url
        self.client = WorkerClient(url, token=token)
        self._process = process

    def check(self) -> None:
        """Raises VoicemonError with the end of its log if the worker has ended."""
        if self._process.poll() is not None:
            raise VoicemonError(
                f"the worker ended with code {self._process.returncode}: see {self.log}\n{log_tail(self.log)}"
            )

    def await_ready(self, say: Callable[[str], None]) -> None:
        """Return when every figure is complete and rows are being stored; says once in between what it waits for.

        Raises VoicemonError if the worker ends or is not ready in time.
        """
        deadline, told = time.monotonic() + READY_SECONDS, ""
        while (waits_for := self._waits_for()) is not None:
            self.check()
            if time.monotonic() > deadline:
                raise VoicemonError(f"the worker is not ready after {READY_SECONDS:g} s ({waits_for}): see {self.log}")
            if waits_for not in {told, ""}:
                told = waits_for
                say(f"  worker: {waits_for}")
            time.sleep(POLL_SECONDS)

    def _waits_for(self) -> str | None:
        """Why it is not ready, empty if it does not answer yet, None if it is ready."""
        try:
            self.client.json("/health/ready")
        except WorkerUnavailable as error:
            return error.reason
        return None


@contextmanager
def running_worker(settings: Settings) -> Iterator[WorkerProcess]:
    """A worker with these settings that is stopped at the end of the block, and killed if that takes too long."""
    log = settings.local.data_dir / "worker.log"
    log.unlink(missing_ok=True)
    guard = start_guarded(
        Command([sys.executable, "-m", "app.cli", "worker", "--supervise"], log, _environment(settings))
    )
    try:
        url, token = f"http://{settings.web.host}:{settings.web.port}", settings.web.client_token.get_secret_value()
        yield WorkerProcess(guard, log, url, token)
    finally:
        stop_guard(guard, STOP_SECONDS)


def _environment(settings: Settings) -> dict[str, str]:
    """What the demo decides itself; all else the worker reads from the environment that it inherits."""
    return {
        "VOICEMON_KAFKA_BOOTSTRAP": settings.kafka.bootstrap,
        "VOICEMON_KAFKA_SECURITY_PROTOCOL": settings.kafka.security_protocol,
        "VOICEMON_KAFKA_REPLICATION_FACTOR": str(settings.kafka.replication_factor),
        "VOICEMON_CLICKHOUSE_URL": settings.clickhouse.url,
        "VOICEMON_CLICKHOUSE_CLUSTER": settings.clickhouse.cluster,
        "VOICEMON_WEB_HOST": settings.web.host,
        "VOICEMON_WEB_PORT": str(settings.web.port),
        "VOICEMON_ROLLUP_INTERVAL_SECONDS": str(settings.rollup.interval_seconds),
    }
