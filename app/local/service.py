"""What the stack needs to know about a service that it starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from app.local.processes import Command


class Service(Protocol):
    """One process of the local stack; its port is chosen before it is built."""

    name: str
    title: str
    port: int

    @property
    def address(self) -> str:
        """What clients connect to."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that point the monitor at this service."""
        ...

    @property
    def logs(self) -> Sequence[Path]:
        """The files that tell why it failed, the most telling first."""
        ...

    def prepare(self) -> Command:
        """Write what it reads at its start; returns the command that runs it.

        Raises VoicemonError if something it needs is missing.
        """
        ...

    def is_answering(self, seconds: float) -> bool:
        """Whether a client gets an answer within `seconds`."""
        ...
