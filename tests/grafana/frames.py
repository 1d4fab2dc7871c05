"""What Grafana asks of an answer before it can draw it."""

import re
from datetime import datetime

from tests.grafana.macros import Moment
from tests.grafana.made import Asked
from tests.grafana.stores import Frame

TIME = re.compile(r"DateTime(\('UTC'\)|64\(3, 'UTC'\))?|DateTime64\(3\)")
NUMBER = re.compile(r"U?Int(8|16|32|64)|Float64")
TEXT = re.compile(r"String|Enum8\(.*\)|Bool|UUID")
SERIES, TABLE = 0, 1


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
