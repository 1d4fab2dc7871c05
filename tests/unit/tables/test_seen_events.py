"""The duplicate filter of one source partition, and its table's bounds."""

import orjson
import pytest

from app.runtime.state_table import RecordPair
from tables.seen_events import BLOCK_IDS, Block, PartitionSeen, SeenEventsTable

APPEND_MS = 1_771_165_805_000


def seen(count: int, step: int = 1, append_ms: int = APPEND_MS) -> PartitionSeen:
    state = PartitionSeen()
    remember(state, range(0, count * step, step), append_ms)
    return state


def remember(state: PartitionSeen, offsets: range, append_ms: int = APPEND_MS) -> None:
    keys = [key_of(offset) for offset in offsets]
    state.ids.update(keys)
    state.remember(keys, list(offsets), append_ms)


def key_of(offset: int) -> int:
    return (offset + 1) * 2**100 + offset


def restored(changes: list[RecordPair]) -> PartitionSeen:
    blocks: dict[bytes, Block] = {}
    for key, value in changes:
        if value is None:
            blocks.pop(key, None)
        else:
            blocks[key] = Block.decoded(value)
    state = PartitionSeen()
    state.restore(blocks.values())
    return state


def test_an_offset_that_carried_an_id_first_is_told_from_its_copies() -> None:
    state = seen(10, step=2)
    assert state.covered == 18
    assert [offset for offset in range(19) if state.was_first(offset)] == list(range(0, 19, 2))


def test_the_answer_is_right_in_any_order_of_questions() -> None:
    state = seen(3_000, step=2)
    for offset in (5_998, 0, 4_001, 4_000, 2_047, 2_048, 1, 2):
        assert state.was_first(offset) is (offset % 2 == 0)


def test_a_question_after_more_was_remembered_sees_it() -> None:
    state = seen(10)
    assert state.was_first(9)
    remember(state, range(20, 30))
    assert state.was_first(25)
    assert not state.was_first(15)


def test_nothing_accepted_leaves_the_covered_offset() -> None:
    state = seen(10)
    state.remember([], [], APPEND_MS + 1)
    assert state.covered == 9
    assert PartitionSeen().covered == -1


@pytest.mark.parametrize("count", [1, BLOCK_IDS - 1, BLOCK_IDS, BLOCK_IDS + 1, 3 * BLOCK_IDS + 5])
def test_the_changelog_gives_back_all_ids_and_offsets(count: int) -> None:
    state = seen(count, step=3)
    again = restored(state.take_changes(0))
    assert again.ids == state.ids
    assert again.covered == state.covered
    assert [again.was_first(offset) for offset in range(0, 60)] == [state.was_first(offset) for offset in range(0, 60)]


def test_a_growing_block_is_rewritten_and_a_full_one_is_not() -> None:
    state = seen(BLOCK_IDS + 10)
    first = state.take_changes(4)
    remember(state, range(BLOCK_IDS + 10, BLOCK_IDS + 20))
    changes = state.take_changes(4)
    assert [orjson.loads(key) for key, _ in first][-1] == [4, orjson.loads(changes[0][0])[1]]
    assert len(changes) == 1
    assert restored(first + changes).ids == state.ids
    assert state.take_changes(4) == []


def test_blocks_come_back_in_log_order_whatever_their_order_in_the_changelog() -> None:
    state = seen(5 * BLOCK_IDS)
    again = restored(list(reversed(state.take_changes(0))))
    assert again.covered == state.covered
    assert again.trim(APPEND_MS + 1) == 5 * BLOCK_IDS


def test_trimming_forgets_whole_blocks_that_were_appended_before_the_time() -> None:
    state = seen(BLOCK_IDS)
    remember(state, range(BLOCK_IDS, BLOCK_IDS + 5), APPEND_MS + 1000)
    assert state.trim(APPEND_MS) == 0
    assert state.trim(APPEND_MS + 1) == BLOCK_IDS
    assert state.ids == {key_of(offset) for offset in range(BLOCK_IDS, BLOCK_IDS + 5)}
    assert state.trim(APPEND_MS + 1000) == 0


def test_a_block_is_kept_for_the_youngest_of_its_ids() -> None:
    state = seen(5)
    remember(state, range(5, 10), APPEND_MS + 1000)
    assert state.trim(APPEND_MS + 1000) == 0
    assert state.trim(APPEND_MS + 1001) == 10


def test_a_forgotten_block_leaves_a_tombstone_and_the_next_id_a_new_block() -> None:
    state = seen(10)
    first = state.take_changes(0)
    state.trim(APPEND_MS + 1)
    remember(state, range(10, 12), APPEND_MS + 2)
    changes = state.take_changes(0)
    assert [value is None for _, value in changes] == [True, False]
    again = restored(first + changes)
    assert again.ids == state.ids == {key_of(10), key_of(11)}


def test_after_everything_was_forgotten_the_covered_offset_stays_in_memory() -> None:
    state = seen(10)
    state.trim(APPEND_MS + 1)
    assert state.covered == 9
    assert not state.ids


def table(maximum: int) -> SeenEventsTable:
    # What the table keeps needs no app; only moving it to and from Kafka does.
    made = SeenEventsTable.__new__(SeenEventsTable)
    made._horizon_ms, made._maximum = 1_000_000, maximum
    made._partitions = {}
    return made


def test_the_oldest_ids_go_when_there_are_more_than_the_bound() -> None:
    state = table(2 * BLOCK_IDS)
    remember(state.partition(0), range(4 * BLOCK_IDS))
    state.trim(0, APPEND_MS + 1)
    assert len(state) == 2 * BLOCK_IDS
    assert key_of(4 * BLOCK_IDS - 1) in state.partition(0).ids


def test_the_bound_never_takes_ids_that_are_not_committed() -> None:
    state = table(1_000)
    remember(state.partition(0), range(4 * BLOCK_IDS))
    remember(state.partition(0), range(4 * BLOCK_IDS, 8 * BLOCK_IDS), APPEND_MS + 500)
    state.trim(0, APPEND_MS + 500)
    assert state.partition(0).ids == {key_of(offset) for offset in range(4 * BLOCK_IDS, 8 * BLOCK_IDS)}


def test_the_bound_holds_over_all_partitions() -> None:
    state = table(3 * BLOCK_IDS)
    for partition in range(2):
        remember(state.partition(partition), range(3 * BLOCK_IDS))
    state.trim(1, APPEND_MS + 1)
    assert len(state.partition(0).ids) == 3 * BLOCK_IDS
    assert len(state.partition(1).ids) == BLOCK_IDS


def test_a_purged_partition_is_empty() -> None:
    state = table(1_000_000)
    remember(state.partition(0), range(10))
    state.purge(0)
    assert len(state) == 0
    assert state.partition(0).covered == -1


def test_every_block_is_logged_again_when_somebody_else_has_written() -> None:
    state = seen(2 * BLOCK_IDS)
    first = state.take_changes(0)
    assert state.take_changes(0) == []
    state.log_all()
    assert state.take_changes(0) == first
