"""Processor time of this process and of all that it started."""

import os
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Seconds of processor time since their start, of the processes that still run."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(fields[1])
        seconds[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    own = os.getpid()

    def is_ours(process: int) -> bool:
        while process not in {0, own}:
            process = parents.get(process, 0)
        return process == own

    return sum(value for process, value in seconds.items() if is_ours(process))
