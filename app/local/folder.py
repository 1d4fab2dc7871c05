"""The data folder of a stack: one lock, one file that names what runs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec

from app.local.processes import is_running
from app.runtime.errors import VoicemonError


class Entry(msgspec.Struct, frozen=True):
    """One started process; `token` tells it from a later process with the same id."""

    pid: int
    token: str
    port: int
    address: str
    log: str
    environment: dict[str, str]

    @property
    def runs(self) -> bool:
        """Whether the process still runs."""
        return is_running(self.pid, self.token)


class DataFolder:
    """The folder's path is absolute; nothing is created before `locked`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._state = self.path / "stack.json"

    @contextmanager
    def locked(self) -> Iterator[TextIO]:
        """The open lock file; the folder is created if missing.

        Raises VoicemonError if the folder is not ours or another stack or command holds it.
        """
        self._own()
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                raise VoicemonError(
                    f"the data folder {self.path} is in use by another stack (process {lock.read().strip() or '?'}): "
                    "wait for its end or choose another folder with --data"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield lock

    def _own(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            owner = self.path.stat().st_uid
        except OSError as error:
            raise VoicemonError(
                f"the data folder {self.path} cannot be made ({error.strerror}): choose another one with --data"
            ) from error
        # Root could write there, and would leave files that the owner's next start cannot read.
        if owner != os.getuid():
            raise VoicemonError(
                f"the data folder {self.path} belongs to another user (id {owner}): choose another one with --data"
            )
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise VoicemonError(f"the data folder {self.path} is not writable: choose another one with --data")

    def entries(self) -> dict[str, Entry]:
        """What was started here and not stopped, by service name; it may have ended by itself.

        Raises VoicemonError if the file cannot be read.
        """
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=dict[str, Entry])
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise VoicemonError(
                f"{self._state} cannot be read ({error}): end the processes of this stack by hand and delete the file"
            ) from error

    def write(self, entries: dict[str, Entry]) -> None:
        """Replace what was started here; an empty dict removes the file."""
        if not entries:
            self._state.unlink(missing_ok=True)
            return
        fresh = self._state.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(entries)))
        fresh.replace(self._state)
