"""Every query of Grafana's boards, variables, annotations and alerts, on the real schema as the read-only user."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from tests.grafana.macros import EVERYTHING, Chosen, Moment
from tests.grafana.made import Asked, asked, variables
from tests.grafana.made import boards as all_boards
from tests.grafana.stores import Frame, Store, two_stores
from tests.integration.store.test_overview_queries import FIRST
from tests.integration.store.test_overview_queries import NOW as END

pytestmark = pytest.mark.clickhouse

WHOLE = Moment(FIRST, END - 1, interval_s=300)
WEEKS = Moment(END - 30 * 86_400_000, END - 1, interval_s=3600)
QUERIES = list({(query.sql, query.format): query for query in reversed(list(asked()))}.values())[::-1]
TIME = re.compile(r"DateTime(\('UTC'\)|64\(3, 'UTC'\))?|DateTime64\(3\)")
NUMBER = re.compile(r"U?Int(8|16|32|64)|Float64")
TEXT = re.compile(r"String|Enum8\(.*\)|Bool|UUID")
SERIES, TABLE = 0, 1


def everything(asked_for: Asked) -> Chosen:
    """All variables as they are when a board is opened."""
    names = {variable["name"] for board in all_boards().values() for variable in variables(board)}
    texts = {"artifact": "art_00024", "search": ""}
    return Chosen({name: texts.get(name, EVERYTHING) for name in names})


def some(asked_for: Asked) -> Chosen:
    """Some values of each variable, one of them with a quote in it."""
    return Chosen({
        "org": ("org_001", "O'Brien"), "stage": ("transcription", "claims_extraction"), "model": ("gpt-4o", "a'b"),
        "artifact": "it's", "search": "it's", "datasource": EVERYTHING,
    })  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    with two_stores(tmp_path_factory.mktemp("grafana")) as both:
        yield both


def plain(name: str) -> str:
    """The type without what is around it."""
    while found := re.fullmatch(r"(?:Nullable|LowCardinality)\((.+)\)", name):
        name = found[1]
    return name


def frame_is_right(frame: Frame, asked_for: Asked, moment: Moment) -> None:
    assert all(any(kind.fullmatch(plain(name)) for kind in (TIME, NUMBER, TEXT)) for name in frame.types), frame.types
    assert len(set(frame.names)) == len(frame.names)
    assert not [row for row in frame.rows if {"nan", "inf", "-inf"} & {str(value) for value in row}]
    if asked_for.format == SERIES:
        series_is_right(frame, moment)


def series_is_right(frame: Frame, moment: Moment) -> None:
    assert frame.names[0] == "time"
    assert TIME.fullmatch(frame.types[0]), "the time may not be null"
    numbers = [name for name in frame.types[1:] if NUMBER.fullmatch(plain(name))]
    assert numbers
    assert not [name for name in frame.types[1:] if TIME.fullmatch(plain(name))]
    times = [moment_of(time) for time in frame.column("time")]
    assert times == sorted(times)
    assert all(moment.from_ms - 86_400_000 <= time * 1000 <= moment.to_ms for time in times)
    labels = [index for index, name in enumerate(frame.types) if index and TEXT.fullmatch(plain(name))]
    keys = [(row[0], *(row[index] for index in labels)) for row in frame.rows]
    assert len(set(keys)) == len(keys), "two rows of one series at the same time"


def moment_of(time: object) -> float:
    return datetime.fromisoformat(str(time)).timestamp()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_every_query_gives_the_frame_that_its_panel_needs(stores: tuple[Store, Store], query: Asked) -> None:
    filled, empty = stores
    chosen = everything(query) if query.in_browser else None
    found = filled.ask(query.sql, WHOLE, chosen)
    frame_is_right(found, query, WHOLE)
    assert found.rows
    if not query.in_browser:
        alert_is_right(found)
    nothing = empty.ask(query.sql, WHOLE, chosen)
    frame_is_right(nothing, query, WHOLE)
    assert (nothing.names, nothing.types) == (found.names, found.types)
    if "${" in query.sql:
        moment = WEEKS if "periodType" in query.sql else WHOLE
        frame_is_right(filled.ask(query.sql, moment, some(query)), query, moment)
    if query.panel:
        fits_its_panel(found, query)


def alert_is_right(frame: Frame) -> None:
    kinds = [plain(name) for name in frame.types]
    assert [bool(NUMBER.fullmatch(kind)) for kind in kinds].count(True) == 1
    assert not [kind for kind in kinds if TIME.fullmatch(kind)]
    assert None not in frame.rows[0]


def fits_its_panel(frame: Frame, query: Asked) -> None:
    assert query.panel is not None
    overridden = [item["matcher"]["options"] for item in query.panel["fieldConfig"]["overrides"]]
    assert set(overridden) <= set(frame.names)
    if query.panel["type"] == "stat" and query.format == TABLE:
        assert len(frame.rows) == len(frame.names) == 1
    linked = set(re.findall(r"__data\.fields\.(\w+)", str(query.panel["fieldConfig"])))
    assert linked <= set(frame.names)


def test_variables_offer_values_and_annotations_have_their_columns(stores: tuple[Store, Store]) -> None:
    filled, _ = stores
    for query in QUERIES:
        name = query.place.split("/")[-1]
        if query.panel or not query.in_browser:
            continue
        frame = filled.ask(query.sql, WHOLE, everything(query))
        if name.startswith("$"):
            assert frame.names in (("value",), ("value", "label"))
            assert {plain(kind) for kind in frame.types} == {"String"}
        else:
            assert frame.names == ("time", "title", "text", "tags")
            times = [moment_of(time) for time in frame.column("time")]
            assert all(later <= earlier for earlier, later in pairwise(times))
