"""Which dead letters are meant."""

from collections.abc import Collection
from dataclasses import dataclass

from app.dead_letters.letters import Letter


@dataclass(frozen=True, slots=True)
class Choice:
    """Every given condition must hold; times are those of the dead letter, offsets those of the refused record."""

    reasons: Collection[str] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    partition: int | None = None
    from_offset: int | None = None
    to_offset: int | None = None
    event_ids: Collection[str] = ()

    def has(self, letter: Letter) -> bool:
        """Whether a dead letter is meant; both offsets are inclusive, `to_ms` is not."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.partition is None or letter.source.partition == self.partition)
            and _within(self.from_offset, letter.source.offset, self.to_offset)
            and _within(self.from_ms, letter.record.timestamp, None if self.to_ms is None else self.to_ms - 1)
            and (not self.event_ids or letter.event_id in self.event_ids)
        )

    @property
    def is_everything(self) -> bool:
        """True if no condition was given."""
        return self == Choice()


def _within(first: int | None, value: int, last: int | None) -> bool:
    return (first is None or value >= first) and (last is None or value <= last)
