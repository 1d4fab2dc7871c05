"""How long the steps of a worker keep its event loop, in processor time: an answer of the views waits for them.

    python -m tests.bench.steps --organizations 5000

Needs no broker. Prints milliseconds of a slice of records, of making changelog records of what has changed, and
microseconds of an event.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

from agents.ingest_events import SLICE_RECORDS, Ingest
from app.bench.events import Load, values_of
from app.domain.events import AgeLimits
from app.domain.windows import HOUR_MS
from app.runtime.interpreter import collect_rarely
from app.runtime.telemetry import Telemetry
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen


@dataclass
class OnePartition:
    """A table of a single partition."""

    state: Any

    def partition(self, _: int) -> Any:
        return self.state


def ingest_of(counters: PartitionCounters, seen: PartitionSeen) -> Ingest:
    """An agent that counts into these, with neither store nor Kafka."""
    tables = {"counters": OnePartition(counters), "seen": OnePartition(seen)}
    unused = dict.fromkeys(("writer", "dead_letters", "reread", "faults", "renew_producer", "pause"))
    limits = AgeLimits(48 * HOUR_MS, 300_000)
    options = cast(
        Any,
        {**tables, **unused, "topic": "voice-events", "limits": limits, "telemetry": Telemetry(), "stores_rows": False},
    )
    return Ingest(**options)


def timed(step: Any) -> float:
    """Milliseconds of processor time of a call."""
    started = time.thread_time()
    step()
    return (time.thread_time() - started) * 1000


def measure(organizations: int, events: int) -> dict[str, float]:
    """Figures of one partition."""
    now_ms = time.time_ns() // 1_000_000
    values = islice(values_of(Load(events, organizations, 1), 0, now_ms), events)
    records = [
        SimpleNamespace(offset=offset, timestamp=now_ms, value=value, key=None, headers=())
        for offset, value in enumerate(values)
    ]
    counters, seen = PartitionCounters(0, 3 * HOUR_MS), PartitionSeen()
    ingest = ingest_of(counters, seen)
    collect_rarely()
    slices = [records[at : at + SLICE_RECORDS] for at in range(0, events, SLICE_RECORDS)]
    times = [timed(partial(ingest._ingest, 0, part)) for part in slices]
    cells = len(counters._dirty)
    return {
        "sliceMs": statistics.median(times),
        "longestSliceMs": max(times),
        "eventUs": sum(times) / events * 1000,
        "changedCells": cells,
        "cellRecordsMs": timed(partial(counters.take_changes, "me", now_ms)),
        "idRecordsMs": timed(partial(seen.take_changes, 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(measure(options.organizations, options.events)) + "\n")


if __name__ == "__main__":
    main()
