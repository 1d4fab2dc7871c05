"""Shapes of the answers that come from the worker itself, for the description of the API."""

import msgspec

from app.domain.counters import RESULT_FIELDS


class Problem(msgspec.Struct):
    """What is wrong: a code for programs, a sentence for people."""

    code: str
    message: str


class Error(msgspec.Struct):
    """The one shape of every answer that is no success."""

    error: Problem


Counters = msgspec.defstruct(
    "Counters",
    [(name, int) for name in RESULT_FIELDS],
    namespace={"__doc__": "The eight live counters of a window."},
)
RealTimeMetrics = msgspec.defstruct(
    "RealTimeMetrics",
    [
        *((name, int) for name in RESULT_FIELDS),
        ("windowStart", int),
        ("windowEnd", int),
        ("last60Minutes", Counters),
        ("asOf", int),
        ("stale", bool),
        ("organizationId", str | msgspec.UnsetType, msgspec.UNSET),
        ("refusedByStore", Counters | msgspec.UnsetType, msgspec.UNSET),
    ],
    namespace={
        "__doc__": "The eight counters of the current UTC hour and of the last 60 minutes; times in epoch ms. "
        "`refusedByStore` is there if events of the current hour have no row because the store refused it."
    },
)


class Session(msgspec.Struct, rename="camel"):
    """Who asks; `organizationId` is there for a token that sees one organisation only."""

    name: str
    scope: str
    can_sign_out: bool
    organization_id: str | msgspec.UnsetType = msgspec.UNSET


class Health(msgspec.Struct):
    """`live`, `ready` or `not ready`, then with the reasons."""

    status: str
    reasons: list[str] | msgspec.UnsetType = msgspec.UNSET


class TablePartition(msgspec.Struct, rename="camel"):
    """A source partition of a table; the changelog's end and the lag in records are known to its owner only."""

    partition: int
    owner: str
    changelog_offset: int | None
    lag: int | None


class Table(msgspec.Struct, rename="camel"):
    """A state table as this worker sees it."""

    name: str
    help: str
    changelog: str
    partitions: list[int]
    entries: int
    windows: str
    owners: list[TablePartition]


class Partition(msgspec.Struct, rename="camel"):
    """How far the counters of a source partition reach."""

    partition: int
    owner: str
    offset: int
    as_of: int
    kept_from: int


class Tables(msgspec.Struct):
    """The state tables."""

    tables: list[Table]


class Entry(msgspec.Struct, rename="camel"):
    """One counter of one UTC hour; without `organizationId` it is the platform's.

    `refusedByStore` of its events have no row because the store refused it.
    """

    counter_type: str
    current_value: int
    window_start: int
    window_end: int
    organization_id: str | msgspec.UnsetType = msgspec.UNSET
    partition: int | msgspec.UnsetType = msgspec.UNSET
    refused_by_store: int | msgspec.UnsetType = msgspec.UNSET


class Minutes(msgspec.Struct):
    """Each counter of the last 60 minutes, minute by minute; `start` is that of the first."""

    start: int
    counters: dict[str, list[int]]


class Entries(msgspec.Struct, rename="camel"):
    """Entries of the counters table; `nextOffset` is there while more follow, `partitions` for staff."""

    entries: list[Entry]
    total: int
    minutes: Minutes
    as_of: int
    stale: bool
    next_offset: int | msgspec.UnsetType = msgspec.UNSET
    partitions: list[Partition] | msgspec.UnsetType = msgspec.UNSET
