"""Records of `voice-organizations` and the rows that they become."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.organization_names import NameReader, NameRow, StoredName, rows_of
from app.runtime.organization_records import LONGEST_NAME, BadName, read_name
from app.runtime.telemetry import Telemetry
from app.simulator import organization_names


def record(offset: int, key: bytes | None, value: bytes | None) -> Any:
    return SimpleNamespace(partition=0, offset=offset, key=key, value=value)


def test_a_record_names_an_organisation_and_a_tombstone_deletes_the_name() -> None:
    assert read_name(b"org_1", '{"name": " Ärzte ", "since": 2020}'.encode()) == ("org_1", "Ärzte")
    assert read_name(b"org_1", None) == ("org_1", None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b'{"name": "A"}'),
        (b"", None),
        (b"\xff", b'{"name": "A"}'),
        (b"org_1", b""),
        (b"org_1", b"A"),
        (b"org_1", b'{"name": 7}'),
        (b"org_1", b'{"title": "A"}'),
        (b"org_1", b'{"name": "  "}'),
        (b"org_1", b'{"name": "\xff"}'),
        (b"org_1", b'{"name": "%s"}' % (b"A" * (LONGEST_NAME + 1))),
        (b"org_1", b"[" * 100_000),
    ],
)
def test_a_record_that_names_nothing_is_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(BadName):
        read_name(key, value)


def test_bad_records_are_counted_once_and_left_out() -> None:
    telemetry = Telemetry()
    reader = NameReader(telemetry)
    records = [record(3, b"a", b'{"name": "A"}'), record(4, b"b", b"{"), record(5, b"a", None)]
    for _ in range(2):
        assert reader.names_of(records) == {"a": None}
    assert b"voicemon_organization_names_rejected_total 1.0" in telemetry.exposition()


def test_what_differs_from_what_readers_see_is_written_with_a_greater_version() -> None:
    names = {"same": "A", "renamed": "B", "new": "C", "deleted": None, "gone": None, "unknown": None, "back": "D"}
    stored = {
        "same": StoredName(7, "A"),
        "renamed": StoredName(900, "A"),
        "deleted": StoredName(3, "E"),
        "gone": StoredName(4, ""),
        "back": StoredName(5, ""),
    }
    assert rows_of(names, stored) == [
        NameRow("renamed", "B", 901, 0),
        NameRow("new", "C", 0, 0),
        NameRow("deleted", "", 4, 1),
        NameRow("back", "D", 6, 0),
    ]
    assert rows_of(names, {row.organization_id: StoredName(row.version, row.name) for row in rows_of(names, {})}) == []


def test_simulated_organisations_have_names_of_their_own() -> None:
    names = organization_names(999)
    assert len(set(names.values())) == 999
    assert (next(iter(names)), list(names)[-1]) == ("org_001", "org_999")
