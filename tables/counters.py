"""Live counters: a windowed Faust table keyed by source partition, counter type, organisation and hour.

Partitions that this worker owns are counted in memory and logged; all others are followed in the changelog, so that
every worker can answer for the whole.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import structlog

from app.domain.counters import COUNTER_TYPES
from app.domain.windows import HOUR_MS
from app.runtime.follower import ChangelogFollower
from app.runtime.state_table import RecordPair, StateTable
from tables.cells import MINUTES, WIDTH
from tables.partition_counters import PartitionCounters

log = structlog.get_logger(__name__)


class Entry(NamedTuple):
    """One counter of the table, summed over the partitions that were asked.

    `refused` of the counted events have no row, because the store refused it.
    """

    counter_type: str
    organization_id: str | None
    window_start_ms: int
    value: int
    refused: int = 0


class PartitionView(NamedTuple):
    """How far the figures of a source partition reach, and who counts it.

    Its entries hold every record up to `offset` (-1: none yet) and none behind it, in windows that start at
    `kept_from_ms` or later.
    """

    partition: int
    owner: str
    offset: int
    as_of_ms: int
    kept_from_ms: int


class CountersTable(StateTable):
    """The Faust table `counters`: one `PartitionCounters` for each source partition."""

    def __init__(self, app: Any, *, retention_hours: int, writer: str, **options: Any) -> None:
        super().__init__(app, name="counters", help="Events by counter type, organisation and UTC hour", **options)
        self._retention_ms = retention_hours * HOUR_MS
        self._writer = writer
        self._partitions: dict[int, PartitionCounters] = {}
        self.newly_owned: set[int] = set()
        topic = self.changelog_topic_name
        self.follower = ChangelogFollower(self._state_consumer, topic, range(self.partitions), self.follow)
        self.as_of: Callable[[int], int] = lambda partition: 0
        self.on_foreign_writer: Callable[[int], None] = lambda partition: None

    def partition(self, partition: int) -> PartitionCounters:
        """The state of a source partition, empty if nothing was counted."""
        state = self._partitions.get(partition)
        if state is None:
            state = self._partitions[partition] = PartitionCounters(partition, self._retention_ms)
        return state

    def take_changes(self, partition: int) -> Sequence[RecordPair]:
        """Changed cells and dropped windows of a partition."""
        return self.partition(partition).take_changes(self._writer, self.as_of(partition))

    def follow(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take a changelog record in: another owner's figures, or those of a worker that does not know it lost them."""
        state = self.partition(partition)
        if partition in self._loaded:
            state.overhear(key, value, self._writer)
        if partition not in self._loaded:
            state.follow(key, value)
        elif state.is_foreign(key, value, self._writer):
            log.warning("Another worker wrote into a partition of this one: it is logged again", partition=partition)
            self.log_all(partition)
            self.on_foreign_writer(partition)

    def log_all(self, partition: int) -> None:
        """Log every cell of a partition again at the next flush."""
        self.partition(partition).log_all()

    async def restore(self, partitions: set[int]) -> None:
        """Own partitions once their changelog has been followed to its end."""
        await self.follower.reach(partitions)
        for partition in partitions:
            self.partition(partition).adopt(self._writer)
        self.newly_owned |= partitions

    def purge(self, partition: int) -> None:
        """Stop counting a partition; it is followed from now on."""
        self.partition(partition).give_up()

    def __len__(self) -> int:
        return sum(len(cells) for state in self._partitions.values() for cells in state.hours.values())

    def totals(self, organization_id: str | None, first_minute: int, last_minute: int) -> list[int]:
        """The eight counters over whole minutes, both ends included, numbered since the epoch."""
        result = [0] * WIDTH
        for hour in range(first_minute // MINUTES, last_minute // MINUTES + 1):
            first = max(first_minute - hour * MINUTES, 0) * WIDTH
            end = min(last_minute + 1 - hour * MINUTES, MINUTES) * WIDTH
            for state in self._partitions.values():
                cell = state.hours.get(hour * HOUR_MS, {}).get(organization_id)
                if cell is not None:
                    for index in range(WIDTH):
                        result[index] += sum(cell.minutes[first + index : end : WIDTH])
        return result

    def leaves_out(self, organization_id: str | None, from_ms: int) -> bool:
        """True if counters of an organisation, in windows that end after a time, may lack events.

        Those were counted for the platform only, because other organisations had filled the window.
        """
        return organization_id is not None and any(
            hour + HOUR_MS > from_ms and state.leaves_out(organization_id, hour)
            for state in self._partitions.values()
            for hour in state.hours
        )

    def full_windows(self) -> set[tuple[int, int]]:
        """Partitions and window starts with as many organisations as are counted one by one."""
        return {(number, hour) for number, state in self._partitions.items() for hour in state.full_hours()}

    def refused(self, organization_id: str | None, window_start_ms: int) -> list[int]:
        """By counter, how many of the events counted in a window have no row, because the store refused it."""
        cells = [state.hours.get(window_start_ms, {}).get(organization_id) for state in self._partitions.values()]
        marks = [cell.refused for cell in cells if cell is not None and cell.refused]
        return [sum(column) for column in zip(*marks, strict=True)] if marks else [0] * WIDTH

    def partition_views(self) -> list[PartitionView]:
        """Every source partition, whoever counts it; consistent with `entries` asked for without a break between."""
        states = [(number, self.partition(number)) for number in range(self.partitions)]
        return [
            PartitionView(number, state.owner, state.applied, self.as_of(number), state.cutoff_ms)
            for number, state in states
        ]

    def entries(
        self, partition: int | None = None, holds: Callable[[int, str | None], bool] = lambda hour, scope: True
    ) -> Iterator[Entry]:
        """Every counter that is not 0, by window and organisation, the platform (None) first.

        Of one source partition, or of all together; of the window starts and organisations that `holds` takes.
        """
        states = list(self._partitions.values()) if partition is None else [self.partition(partition)]
        sums: dict[tuple[int, str | None], list[int]] = {}
        cells = (
            (hour, scope, cell)
            for state in states
            for hour, scopes in state.hours.items()
            for scope, cell in scopes.items()
            if holds(hour, scope)
        )
        for hour, scope, cell in cells:
            row = sums.setdefault((hour, scope), [0] * 2 * WIDTH)
            for index in range(WIDTH):
                row[index] += sum(cell.minutes[index::WIDTH])
            for index, refused in enumerate(cell.refused, WIDTH):
                row[index] += refused
        for hour, scope in sorted(sums, key=lambda at: (at[0], at[1] is not None, at[1] or "")):
            values = sums[hour, scope]
            for index, counter_type in enumerate(COUNTER_TYPES):
                if values[index]:
                    yield Entry(counter_type, scope, hour, values[index], values[WIDTH + index])
