"""Memory of the tables while event time passes three days."""

import tracemalloc
import uuid
from collections import Counter

from app.domain.windows import HOUR_MS, MINUTE_MS
from tables.partition_counters import PartitionCounters
from tables.seen_events import PartitionSeen

START_MS = 1_771_113_600_000
RETENTION_MS, HORIZON_MS = 3 * HOUR_MS, 12 * HOUR_MS
ORGANIZATIONS = 50
DAY_MINUTES, STEP_MINUTES = 24 * 60, 5


def test_three_days_of_events_need_no_more_memory_than_the_first() -> None:
    counters, seen = PartitionCounters(0, RETENTION_MS), PartitionSeen()
    offset, used, cells, ids = 0, [], [], []
    tracemalloc.start()
    for minute in range(0, 3 * DAY_MINUTES, STEP_MINUTES):
        now_ms = START_MS + minute * MINUTE_MS
        keys = [uuid.uuid4().int for _ in range(ORGANIZATIONS)]
        seen.ids.update(keys)
        counters.advance(now_ms)
        counters.apply(
            Counter({(f"org-{number}", now_ms // MINUTE_MS, (0,)): 1 for number in range(ORGANIZATIONS)}),
            offset + ORGANIZATIONS - 1,
        )
        seen.remember(keys, range(offset, offset + ORGANIZATIONS), now_ms)
        offset += ORGANIZATIONS
        seen.trim(now_ms - HORIZON_MS)
        counters.take_changes("worker", now_ms)
        seen.take_changes(0)
        if (minute + STEP_MINUTES) % DAY_MINUTES == 0:
            used.append(tracemalloc.get_traced_memory()[0])
            cells.append(sum(map(len, counters.hours.values())))
            ids.append(len(seen.ids))
    tracemalloc.stop()
    assert cells == [4 * (ORGANIZATIONS + 1)] * 3
    assert (
        max(ids) - HORIZON_MS // MINUTE_MS // STEP_MINUTES * ORGANIZATIONS <= 1024 + ORGANIZATIONS
    )  # whole blocks are kept
    assert max(used[1:]) < 1.05 * used[0]
