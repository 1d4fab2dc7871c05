"""Start services, wait for their answers, stop them; `app.local.stack` says when."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from app.local.clickhouse import LocalClickHouse
from app.local.folder import DataFolder, Entry
from app.local.kafka import PROBE_SECONDS, LocalKafka
from app.local.ports import check_port
from app.local.processes import POLL_SECONDS, Command, log_tail, start_token, stop
from app.local.service import Service
from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings


def silent(_line: str) -> None:
    """Say nothing."""


def build_services(
    settings: Settings, names: Sequence[str], *, auto_ports: bool, say: Callable[[str], None] = silent
) -> list[Service]:
    """The named services on their ports.

    Raises VoicemonError if a port is taken.
    """
    wanted = {"kafka": settings.local.kafka_port, "clickhouse": settings.local.clickhouse_port}
    titles = {"kafka": "Kafka", "clickhouse": "ClickHouse"}
    services = []
    for name in names:
        setting = f"VOICEMON_LOCAL_{name.upper()}_PORT"
        port = check_port(0 if auto_ports else wanted[name], titles[name], setting)
        services.append(build_service(name, port, settings, say))
    return services


def build_service(name: str, port: int, settings: Settings, say: Callable[[str], None]) -> Service:
    """One service, on a port that is known to be its own or free."""
    folder = DataFolder(settings.local.data_dir).path / name
    if name == "kafka":
        return LocalKafka(folder, port, settings.local, say)
    return LocalClickHouse(folder, port, settings.clickhouse)


def run(
    service: Service, command: Command, start: Callable[[Command], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """The started process.

    Raises VoicemonError if the program cannot be run.
    """
    try:
        return start(command)
    except OSError as error:
        raise VoicemonError(f"{service.title} could not be started ({error}): check the program and its log") from error


def entry_of(service: Service, process: subprocess.Popen[bytes]) -> Entry:
    """How the data folder names the process."""
    # A process that is gone already has no token; the empty one matches no process.
    token = start_token(process.pid) or ""
    return Entry(process.pid, token, service.port, service.address, str(service.logs[0]), dict(service.environment))


def await_answers(services: Sequence[Service], processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Return when all services answer.

    Raises VoicemonError if a process ends or does not answer within `seconds`, with the end of its log.
    """
    deadline = time.monotonic() + seconds
    for service, process in zip(services, processes, strict=True):
        while not service.is_answering(PROBE_SECONDS):
            for other, watched in zip(services, processes, strict=True):
                if watched.poll() is not None:
                    raise VoicemonError(_report(other, f"ended at its start with code {watched.returncode}"))
            if time.monotonic() >= deadline:
                raise VoicemonError(_report(service, f"did not answer within {seconds:g} s"))
            time.sleep(POLL_SECONDS)
        if process.poll() is not None:
            raise VoicemonError(_report(service, f"ended at its start with code {process.returncode}"))


def _report(service: Service, what: str) -> str:
    tails = [f"the last lines of {log}:\n{tail}" for log in service.logs if (tail := log_tail(log))]
    return "\n".join([f"{service.title} {what}: see {service.logs[0]}", *tails])


def stop_all(entries: Mapping[str, Entry], seconds: float) -> list[str]:
    """Stop the processes, the last started first; returns the names of those that ran."""
    return [name for name, entry in reversed(list(entries.items())) if stop(entry.pid, entry.token, seconds)]


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not cut off the clean-up of the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
