"""Parameters of the worker's own views."""

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from app.domain.counters import COUNTER_TYPES
from app.queries.fields import MomentField, Parameters

# An audit takes all entries at once: of several answers each would stand at another offset.
MOST_ENTRIES: Final = 1_000_000
if TYPE_CHECKING:
    CounterType = str
else:
    CounterType = Literal[tuple(COUNTER_TYPES)]
LIMITS: Final = "Without it 1,000 as JSON, 100 on a page, which shows 1,000 at most."
Sort = Literal["window", "organization", "counter", "value"]
FormField = Annotated[Literal["json", "html"], Meta(description="JSON or a page; without it by the Accept header.")]


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to choose."""


class ScopeParameters(Parameters, frozen=True, kw_only=True):
    """One organisation, or all."""


class TablesParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the list of tables is shown."""

    format: FormField | None = None


class CountersParameters(Parameters, frozen=True, kw_only=True):
    """Which entries of the counters table, in which order."""

    counter_type: Annotated[CounterType, Meta(description="Only this counter.")] | None = None
    window: Annotated[MomentField, Meta(description="Only the window that holds this time.")] | None = None
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Only this source partition.")] | None = None
    detail: Annotated[Literal["partitions"], Meta(description="Entries by source partition.")] | None = None
    sort: Annotated[Sort, Meta(description="What the entries are sorted by.")] = "window"
    order: (
        Annotated[
            Literal["up", "down"],
            Meta(description="The least or the greatest first; without it the newest window, the least of all else."),
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=MOST_ENTRIES, description=f"Most entries of one answer. {LIMITS}")] | None = (
        None
    )
    offset: Annotated[int, Meta(ge=0, le=10**9, description="Entries to be left out at the start.")] = 0
    format: FormField | None = None
