"""Plain recount of a log: slow, obvious, and the measure for everything that counts in another way."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.domain.counters import COUNTER_TYPES, COUNTERS_OF_TYPE
from app.domain.event_model import AgeLimits, Anomalies, PipelineEvent, event_key
from app.domain.lenient_decode import decode_leniently
from app.domain.rejects import RejectedEvent, RejectReason
from app.domain.windows import HOUR_MS, window_start_ms

PLATFORM: Final = None
"""Scope of all events, with or without an organisation; the other scopes are organisation ids."""


class LogRecord(NamedTuple):
    """One record of the log."""

    partition: int
    offset: int
    append_time_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """The first valid record of an id in its partition; `index` is its position among the records recounted."""

    index: int
    partition: int
    offset: int
    append_time_ms: int
    event: PipelineEvent


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record; `index` is its position among the records recounted."""

    index: int
    reason: RejectReason
    detail: str


@dataclass(slots=True)
class Recount:
    """What a log holds: `accepted`, `duplicates` (indexes) and `dead_letters` together are all its records.

    `copies_across_partitions` are indexes of accepted events whose id an earlier record in another partition has:
    live counters, which know one partition each, count them, the store does not.
    """

    accepted: list[AcceptedEvent] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    copies_across_partitions: list[int] = field(default_factory=list)
    anomalies: Anomalies = field(default_factory=Anomalies)

    @property
    def events(self) -> list[PipelineEvent]:
        """Accepted events in log order."""
        return [accepted.event for accepted in self.accepted]


def recount(records: Iterable[LogRecord], limits: AgeLimits | None = None) -> Recount:
    """What the records hold, given in log order within each partition.

    First validity, then identity: per partition the first valid record of an id counts, and later ones change nothing.
    Anomalies are those of accepted events only.
    """
    result = Recount()
    ids_of_partition: dict[int, set[bytes]] = {}
    all_ids: set[bytes] = set()
    age_limits = limits or AgeLimits()
    for index, record in enumerate(records):
        found = Anomalies()
        try:
            event = decode_leniently(record.value, record.append_time_ms, age_limits, found)
        except RejectedEvent as rejected:
            result.dead_letters.append(DeadLetter(index, rejected.reason, rejected.detail))
            continue
        key = event_key(event)
        seen = ids_of_partition.setdefault(record.partition, set())
        if key in seen:
            result.duplicates.append(index)
            continue
        if key in all_ids:
            result.copies_across_partitions.append(index)
        seen.add(key)
        all_ids.add(key)
        result.anomalies.add(found)
        accepted = AcceptedEvent(index, record.partition, record.offset, record.append_time_ms, event)
        result.accepted.append(accepted)
    return result


def hourly_counters(events: Iterable[PipelineEvent]) -> dict[tuple[str | None, int], list[int]]:
    """The eight counters by (scope, window start); only scopes and hours in which one of them is not 0.

    Values are in the order of `COUNTER_TYPES`. An event with an organisation counts for it and for the platform.
    """
    counters: dict[tuple[str | None, int], list[int]] = {}
    for event in events:
        window_ms = window_start_ms(event.timestamp, HOUR_MS)
        _count(counters, event, window_ms)
    return counters


def trailing_counters(events: Iterable[PipelineEvent], at_ms: int) -> dict[str | None, list[int]]:
    """The eight counters by scope over the 60 minutes up to and with `at_ms`: at - 60 min < timestamp <= at.

    Values are in the order of `COUNTER_TYPES`. The platform is always there, an organisation if one value is not 0.
    """
    counters: dict[tuple[str | None, int], list[int]] = {(PLATFORM, at_ms): [0] * len(COUNTER_TYPES)}
    for event in events:
        if at_ms - HOUR_MS < event.timestamp <= at_ms:
            _count(counters, event, at_ms)
    return {scope: values for (scope, _), values in counters.items()}


def _count(counters: dict[tuple[str | None, int], list[int]], event: PipelineEvent, window_ms: int) -> None:
    positions = COUNTERS_OF_TYPE[event.event_type]
    if not positions:
        return
    scopes = {PLATFORM, event.organization_id}
    for scope in scopes:
        values = counters.setdefault((scope, window_ms), [0] * len(COUNTER_TYPES))
        for position in positions:
            values[position] += 1
