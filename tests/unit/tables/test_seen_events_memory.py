"""What the duplicate filter costs for each remembered id."""

import gc
import random
import tracemalloc

import pytest

from tables.seen_events import PartitionSeen

MOST_BYTES = 120
SLICE = 2000


@pytest.mark.parametrize("count", [200_000, 320_000])
def test_an_id_with_all_its_bits_costs_at_most_120_bytes(count: int) -> None:
    # A set doubles when it is three fifths full: 320,000 ids are just beyond such a step, where an id costs most.
    seen, rng = PartitionSeen(), random.Random(1)
    gc.collect()
    tracemalloc.start()
    try:
        for first in range(0, count, SLICE):
            keys = [rng.getrandbits(128) for _ in range(SLICE)]
            seen.ids.update(keys)
            seen.remember(keys, range(first, first + SLICE), first)
            seen.take_changes(0)
            del keys
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen.ids) == count
    assert size / count <= MOST_BYTES
