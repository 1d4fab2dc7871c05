"""The local stack: Kafka and ClickHouse as background processes, or for as long as a `with` block."""

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from app.local.folder import DataFolder, Entry
from app.local.kafka import PROBE_SECONDS
from app.local.launch import (
    await_answers,
    build_service,
    build_services,
    entry_of,
    run,
    silent,
    stop_all,
    undisturbed,
)
from app.local.processes import release, start_detached, start_guarded, stop_guard
from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings

Name = Literal["kafka", "clickhouse"]
State = Literal["running", "not answering", "ended", "stopped"]
NAMES: tuple[Name, ...] = ("kafka", "clickhouse")


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How one service is; "ended" means that it went away without `down`."""

    name: str
    state: State
    entry: Entry | None = None


def up(settings: Settings, *, auto_ports: bool = False, say: Callable[[str], None] = silent) -> bool:
    """Start in the background what does not run yet; returns whether anything was started.

    All services answer when it returns. A failure or Ctrl-C stops what this call has started.
    Raises VoicemonError with what to do.
    """
    folder = DataFolder(settings.local.data_dir)
    with folder.locked():
        entries = {name: entry for name, entry in folder.entries().items() if entry.runs}
        missing = [name for name in NAMES if name not in entries]
        if not missing:
            return False
        services = build_services(settings, missing, auto_ports=auto_ports, say=say)
        started: dict[str, Entry] = {}
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for service, command in [(service, service.prepare()) for service in services]:
                processes.append(run(service, command, start_detached))
                started[service.name] = entry_of(service, processes[-1])
                # Written at once: if this command is killed, `down` still finds the process.
                folder.write(entries | started)
                release(processes[-1])
            await_answers(services, processes, settings.local.start_seconds)
        except BaseException:
            with undisturbed():
                stop_all(started, settings.local.stop_seconds)
                folder.write(entries)
            raise
    return True


def down(settings: Settings) -> list[str]:
    """Stop what `up` started and still runs; returns the names of the services that ran."""
    folder = DataFolder(settings.local.data_dir)
    if not folder.path.exists():
        return []
    with folder.locked():
        stopped = stop_all(folder.entries(), settings.local.stop_seconds)
        folder.write({})
    return stopped


def status(settings: Settings) -> list[ServiceStatus]:
    """How each service of the data folder is; starts and changes nothing."""
    folder = DataFolder(settings.local.data_dir)
    entries = folder.entries()
    found = []
    for name in NAMES:
        entry = entries.get(name)
        if entry is None:
            found.append(ServiceStatus(name, "stopped"))
        elif not entry.runs:
            found.append(ServiceStatus(name, "ended", entry))
        else:
            service = build_service(name, entry.port, settings, silent)
            answers = service.is_answering(PROBE_SECONDS)
            found.append(ServiceStatus(name, "running" if answers else "not answering", entry))
    return found


class LocalStack:
    """Services that run for as long as a `with` block and end with this process, even if it is killed.

    `folder` keeps their data; `services` names what is started (both by default), each on a free port if
    `auto_ports`, else on the port of the settings. Entering blocks until all answer: in a coroutine enter it with
    `asyncio.to_thread`. Raises VoicemonError on entry, with nothing left running.
    """

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Name] = NAMES,
        *,
        auto_ports: bool = True,
        say: Callable[[str], None] = silent,
    ) -> None:
        self._settings = settings
        self._names = services
        self._auto_ports = auto_ports
        self._say = say
        self._cleanup = contextlib.ExitStack()
        self.entries: dict[str, Entry] = {}

    @property
    def kafka_bootstrap(self) -> str:
        """Bootstrap address of Kafka; KeyError if it was not asked for."""
        return self.entries["kafka"].address

    @property
    def clickhouse_url(self) -> str:
        """URL of ClickHouse without user and password; KeyError if it was not asked for."""
        return self.entries["clickhouse"].address

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            folder = DataFolder(self._settings.local.data_dir)
            lock = cleanup.enter_context(folder.locked())
            if any(entry.runs for entry in folder.entries().values()):
                raise VoicemonError(
                    f"a stack started with `voicemon stack up` runs in {folder.path}: "
                    "use it, stop it with `voicemon stack down`, or choose another folder with --data"
                )
            services = build_services(self._settings, self._names, auto_ports=self._auto_ports, say=self._say)
            processes = []
            entries = {}
            for service, command in [(service, service.prepare()) for service in services]:
                guard = run(service, command, lambda asked: start_guarded(asked, [lock.fileno()]))
                cleanup.callback(stop_guard, guard, self._settings.local.stop_seconds)
                processes.append(guard)
                entries[service.name] = entry_of(service, guard)
            await_answers(services, processes, self._settings.local.start_seconds)
            self._cleanup = cleanup.pop_all()
            self.entries = entries
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with undisturbed():
            self._cleanup.close()
        self.entries = {}
