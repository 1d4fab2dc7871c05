"""Time of decoding per event: `python -m tests.bench.decode_events`, nanoseconds, best of many short runs.

The events are the valid ones of the sample log that are as the domain describes them.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from app.domain import events as decoding
from app.domain.events import AgeLimits, Anomalies, decode_event, decode_leniently, encode_event, event_key
from app.domain.recount import LogRecord, recount
from tests.sample_log import read_log

ROUNDS = 100
CHUNK = 600
LIMITS, FOUND = AgeLimits(), Anomalies()


def _is_usual(value: bytes | None) -> bool:
    try:
        return decoding.decode_usual(value or b"").event_id.islower()
    except decoding.NOT_USUAL:
        return False


def usual_records() -> list[LogRecord]:
    """The first records of the sample log that strict decoding takes."""
    records = read_log("events.ndjson")
    valid = [records[accepted.index] for accepted in recount(records).accepted]
    return [record for record in valid if _is_usual(record.value)][:CHUNK]


def best_ns(step: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> float:
    """Shortest time of one call, as the mean over the arguments in the best round."""
    best = sys.maxsize
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        for each in arguments:
            step(*each)
        best = min(best, time.perf_counter_ns() - start)
    return best / len(arguments)


def main() -> None:
    """Print one line per operation."""
    records = usual_records()
    values = [(record.value,) for record in records]
    calls = [(record.value, record.append_time_ms, LIMITS, FOUND) for record in records]
    events = [(decode_event(*call),) for call in calls]
    size = sum(len(record.value or b"") for record in records) / len(records)
    sys.stdout.write(f"{len(records)} events of {size:.0f} bytes on average\n")
    for name, step, arguments in (
        ("typed decode alone", decoding.decode_usual, values),
        ("decode_event", decode_event, calls),
        ("decode_leniently", decode_leniently, calls),
        ("encode_event", encode_event, events),
        ("event_key", event_key, events),
    ):
        sys.stdout.write(f"{name:20s} {best_ns(step, arguments):8.0f} ns\n")


if __name__ == "__main__":
    main()
