"""Processor time and memory of this process and of all that it started."""

import os
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Seconds of processor time since their start, of the processes that still run."""
    return sum(_ours().values())


def peak_started_bytes() -> int:
    """The most memory that one of the processes which this one started has had, of those that still run."""
    return max((_peak_bytes(process) for process in _ours() if process != os.getpid()), default=0)


def _ours() -> dict[int, float]:
    """Seconds of processor time of each process."""
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

    return {process: value for process, value in seconds.items() if is_ours(process)}


def _peak_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
