"""Recount of one partition, record by record, by the rules of `app.domain.recount` and with windows that expire.

Nothing here comes from the tables or the agent: it is what they are measured by.
"""

from array import array
from collections import defaultdict
from dataclasses import dataclass

from app.audit.report import PartitionFigures
from app.domain.counters import COUNTER_TYPES, COUNTERS_OF_TYPE
from app.domain.event_model import AgeLimits, Anomalies, PipelineEvent, event_key
from app.domain.events import decode_event, decode_leniently
from app.domain.recount import LogRecord
from app.domain.rejects import RejectedEvent
from app.domain.windows import HOUR_MS, window_start_ms

ID_BYTES = 16
BY_THE_RULE_BOOK = 16
"""One record in so many is decoded by the rule book alone, which takes ten times as long as the way that workers go:
should the two ways part, a rule of the domain would be a difference at one place in sixteen.
"""

MOST_ORGANIZATIONS = 20_000
"""Of a window, counted one by one."""

Counters = dict[tuple[str | None, int, int], int]
"""(organisation, window start, position in `COUNTER_TYPES`) → events."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How records are judged, ids are remembered and windows are kept.

    `from_ms` and `to_ms` bound, by append time, the records that the figures speak of.
    """

    limits: AgeLimits
    retention_ms: int
    horizon_ms: int
    from_ms: int | None = None
    to_ms: int | None = None

    def covers(self, append_time_ms: int) -> bool:
        """Whether the figures speak of a record."""
        return (self.from_ms is None or append_time_ms >= self.from_ms) and (
            self.to_ms is None or append_time_ms < self.to_ms
        )


class RememberedIds:
    """Ids of a partition, each for as long as an acceptable record can repeat it."""

    def __init__(self, horizon_ms: int) -> None:
        self._horizon_ms = horizon_ms
        self._ids: set[bytes] = set()
        self._by_append_hour: dict[int, bytearray] = {}

    def is_new(self, key: bytes, append_time_ms: int) -> bool:
        """Remember an id; False if it was known."""
        if key in self._ids:
            return False
        hour = window_start_ms(append_time_ms)
        if hour not in self._by_append_hour:
            self._forget(hour - self._horizon_ms - HOUR_MS)
            self._by_append_hour[hour] = bytearray()
        self._ids.add(key)
        self._by_append_hour[hour] += key
        return True

    def _forget(self, before_ms: int) -> None:
        for hour in [hour for hour in self._by_append_hour if hour < before_ms]:
            keys = self._by_append_hour.pop(hour)
            self._ids.difference_update(bytes(keys[at : at + ID_BYTES]) for at in range(0, len(keys), ID_BYTES))


class PartitionRecount:
    """State of the recount after the records taken so far.

    `counters` holds windows that start at `cutoff_ms` or later: an older event is late and not counted, and a window
    is dropped once the greatest event time has left it behind by the retention. `complete_from_ms` is the start of
    the first window whose events are all in the records, as the log may begin in the middle of one.
    """

    def __init__(self, figures: PartitionFigures, rules: Rules) -> None:
        self.figures = figures
        self.rules = rules
        self.counters: Counters = {}
        self.cutoff_ms = 0
        self.complete_from_ms = 0
        self.id_prefixes = array("Q")
        self._watermark_ms = 0
        self._organizations: defaultdict[int, set[str]] = defaultdict(set)
        self._ids = RememberedIds(rules.horizon_ms)
        self._anomalies = Anomalies()

    def begins_after_others(self, append_time_ms: int) -> None:
        """Earlier records are not recounted; the first that is was appended then."""
        latest_ms = append_time_ms + self.rules.limits.max_ahead_ms
        self.complete_from_ms = window_start_ms(latest_ms) + HOUR_MS

    def take(self, record: LogRecord) -> PipelineEvent | RejectedEvent | None:
        """The accepted event of the next record, why it is refused, or None for a duplicate."""
        figures = self.figures if self.rules.covers(record.append_time_ms) else PartitionFigures(record.partition)
        figures.first_offset = record.offset if figures.first_offset is None else figures.first_offset
        figures.last_offset = record.offset
        figures.records += 1
        try:
            decode = decode_event if record.offset % BY_THE_RULE_BOOK else decode_leniently
            event = decode(record.value, record.append_time_ms, self.rules.limits, self._anomalies)
        except RejectedEvent as rejected:
            figures.refused += 1
            return rejected
        key = event_key(event)
        if not self._ids.is_new(key, record.append_time_ms):
            figures.duplicates += 1
            return None
        figures.accepted += 1
        if figures is self.figures:
            self.id_prefixes.append(int.from_bytes(key[:8], "big"))
        figures.late += not self._count(event)
        return event

    def _count(self, event: PipelineEvent) -> bool:
        """Count an accepted event; False if it is late."""
        if event.timestamp > self._watermark_ms:
            self._watermark_ms = event.timestamp
            cutoff_ms = window_start_ms(event.timestamp) - self.rules.retention_ms
            if cutoff_ms > self.cutoff_ms:
                self.cutoff_ms = cutoff_ms
                self.counters = {at: value for at, value in self.counters.items() if at[1] >= cutoff_ms}
        positions = COUNTERS_OF_TYPE[event.event_type]
        window_ms = window_start_ms(event.timestamp)
        if positions and window_ms < self.cutoff_ms:
            return False
        for scope in {None, event.organization_id} if positions else ():
            if scope is not None and not self._is_counted(scope, window_ms):
                continue
            for position in positions:
                at = (scope, window_ms, position)
                self.counters[at] = self.counters.get(at, 0) + 1
        return True

    def _is_counted(self, organization_id: str, window_ms: int) -> bool:
        """True for the first organisations of a window; the events of all others count for the platform only."""
        known = self._organizations[window_ms]
        if len(known) < MOST_ORGANIZATIONS:
            known.add(organization_id)
        return organization_id in known


def name_of(at: tuple[str | None, int, int]) -> str:
    """A counter in words."""
    scope, window_ms, position = at
    return f"{COUNTER_TYPES[position]} of {'the platform' if scope is None else repr(scope)} in window {window_ms}"
