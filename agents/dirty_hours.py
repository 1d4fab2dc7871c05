"""Finds the hours whose snapshots are missing, or older than what they are made of."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

SLICE_ROWS: Final = 250_000
"""Rows of artifacts that one statement looks at: that many fit into memory, whatever the number of all."""


class AsksStore(Protocol):
    """Runs a statement of the roll-up."""

    def __call__(self, statement: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        """Its rows. Raises SinkUnavailable or StoreError."""
        ...


class KnownHour(NamedTuple):
    """What the store knows of an hour, in the order of `known_hours.sql`; times in milliseconds, 0 for never."""

    hour_s: int
    stored_ms: int
    computed_ms: int
    input_ms: int
    shown_ms: int
    now_ms: int

    def is_dirty(self, stored_ms: int, settle_ms: int) -> bool:
        """Whether it is to be computed, with the latest time at which something was stored that it depends on."""
        settled_ms = stored_ms + settle_ms
        return (
            not self.computed_ms
            or self.shown_ms < self.computed_ms
            or stored_ms > self.input_ms
            # Computed too soon after its last row: a block becomes visible after its stored_at was taken.
            or self.computed_ms < settled_ms <= self.now_ms
        )


def dirty_hours(ask: AsksStore, from_s: int, to_s: int, settle_ms: int, links_since_ms: int) -> dict[int, int]:
    """Hours of [from_s, to_s) to compute, in epoch seconds, with the latest stored_at of what they depend on.

    That is their own rows, and the receipts, completions and stage starts of artifacts that ended something in them;
    those that were stored before `links_since_ms` have been looked at.
    """
    known = known_hours(ask, from_s, to_s, links_since_ms)
    return {hour.hour_s: stored_ms for hour, stored_ms in known if hour.is_dirty(stored_ms, settle_ms)}


def known_hours(ask: AsksStore, from_s: int, to_s: int, links_since_ms: int = 0) -> list[tuple[KnownHour, int]]:
    """Each hour of [from_s, to_s) with the latest stored_at of what it depends on."""
    # What was stored before the first of these hours had begun cannot have changed one after its computation.
    linked = _linked_hours(ask, max(from_s * 1000, links_since_ms))
    hours = (KnownHour(*map(int, row)) for row in ask("known_hours", from_s=from_s, to_s=to_s))
    return [(hour, max(hour.stored_ms, linked.get(hour.hour_s, 0))) for hour in hours]


def _linked_hours(ask: AsksStore, since_ms: int) -> dict[int, int]:
    """When artifacts that ended something in an hour last got something that its figures depend on."""
    linked: dict[int, int] = {}
    found, last = SLICE_ROWS, ""
    while found == SLICE_ROWS:
        after = last
        [(found, last)] = ask("linked_artifacts", since_ms=since_ms, after=after, most=SLICE_ROWS)
        if found:
            for hour_s, stored_ms in ask("linked_hours", since_ms=since_ms, after=after, last=last):
                linked[hour_s] = max(linked.get(hour_s, 0), stored_ms)
    return linked
