from app.copy_search import StoredCopy, later_copies
from app.domain.windows import HOUR_MS

REMEMBERED_MS = 48 * HOUR_MS
FIRST = StoredCopy(1000, 3, 17, "id", 900, "artifact_received", "org", "art")


def later(*rows: StoredCopy) -> list[StoredCopy]:
    return later_copies(rows, REMEMBERED_MS)


def test_the_copy_first_in_the_log_stays_whichever_is_stored_first() -> None:
    copy = FIRST._replace(append_time_ms=1001, partition=0, timestamp=950)
    assert later(FIRST, copy) == later(copy, FIRST) == [copy]
    same_time = FIRST._replace(partition=4, timestamp=950)
    assert later(same_time, FIRST) == [same_time], "then the smaller partition is the first"


def test_every_further_copy_goes() -> None:
    copies = [FIRST._replace(append_time_ms=1000 + n, partition=n % 3, event_type=f"type {n}") for n in range(1, 6)]
    assert later(FIRST, *copies) == copies


def test_a_copy_of_another_artifact_goes() -> None:
    copy = FIRST._replace(append_time_ms=1001, partition=0, artifact_id="other")
    assert later(copy, FIRST, copy) == [copy]


def test_rows_with_one_key_and_other_ids_stay() -> None:
    same_key = FIRST._replace(append_time_ms=2000, partition=0)
    other_id = FIRST._replace(event_id="other", append_time_ms=2000, partition=0, timestamp=1)
    assert later(FIRST, same_key, other_id) == []


def test_an_id_is_known_as_long_as_in_its_own_partition() -> None:
    in_time = FIRST._replace(append_time_ms=FIRST.timestamp + REMEMBERED_MS, partition=0, timestamp=REMEMBERED_MS)
    too_late = in_time._replace(append_time_ms=in_time.append_time_ms + 1)
    assert later(FIRST, in_time) == [in_time]
    assert later(FIRST, too_late) == []
    own_partition = too_late._replace(partition=FIRST.partition)
    copy_of_it = own_partition._replace(append_time_ms=too_late.append_time_ms + 1, partition=1, event_type="other")
    assert later(FIRST, own_partition, copy_of_it) == [copy_of_it]
