"""Dead letters of the dead-letter topic beside the records that the recount refuses."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.audit.report import Differences, Notes
from app.domain.rejects import RejectReason


@dataclass(slots=True)
class Letter:
    """The dead letters of one record."""

    reason: str
    copies: int = 1


class DeadLetters:
    """Dead letters by partition and offset of their record; each is taken out when its record is met."""

    def __init__(self, events_topic: str, notes: Notes, differences: Differences) -> None:
        self._topic = events_topic
        self._notes = notes
        self._differences = differences
        self._letters: dict[int, dict[int, Letter]] = {}

    def add(self, headers: Iterable[tuple[str, bytes | None]]) -> None:
        """Note a dead letter by its headers; one of another topic is left out."""
        ours: dict[str, Any] = {name: (value or b"").decode(errors="replace") for name, value in headers}
        if ours.get("source-topic") != self._topic:
            return
        partition, offset = int(ours["source-partition"]), int(ours["source-offset"])
        letters = self._letters.setdefault(partition, {})
        letter = letters.get(offset)
        if letter is None:
            letters[offset] = Letter(ours["reason"])
            return
        letter.copies += 1
        if letter.reason != ours["reason"]:
            text = f"offset {offset} has dead letters with reasons {letter.reason} and {ours['reason']}"
            self._differences.add("dead_letters", partition, text)

    def refused(self, partition: int, offset: int, reason: RejectReason, must_be_there: bool) -> None:
        """The recount refuses a record: its letter must say why."""
        letter = self._taken(partition, offset)
        if letter is None:
            if must_be_there:
                self._differences.add("dead_letters", partition, f"offset {offset} ({reason}) has no dead letter")
        elif letter.reason != reason.value:
            text = f"offset {offset} is refused as {reason}, its dead letter says {letter.reason}"
            self._differences.add("dead_letters", partition, text)

    def accepted(self, partition: int, offset: int) -> bool:
        """The recount accepts a record; True if the store has refused its row."""
        letter = self._taken(partition, offset)
        if letter is None:
            return False
        if letter.reason == RejectReason.REFUSED_BY_STORE.value:
            return True
        self._differences.add("dead_letters", partition, f"offset {offset} is accepted, but has a {letter.reason}")
        return False

    def repeated(self, partition: int, offset: int) -> None:
        """The recount takes a record for a duplicate: it has no letter."""
        letter = self._taken(partition, offset)
        if letter is not None:
            text = f"offset {offset} is a duplicate, but has a dead letter ({letter.reason})"
            self._differences.add("dead_letters", partition, text)

    def skip(self, partition: int, offset: int) -> None:
        """The record is outside of the audited range."""
        self._letters.get(partition, {}).pop(offset, None)

    def end(self, partition: int, first_offset: int, end_offset: int) -> None:
        """Note letters of records between two offsets, the last one excluded, that the log does not show."""
        for offset in sorted(self._letters.pop(partition, {})):
            if first_offset <= offset < end_offset:
                self._differences.add("dead_letters", partition, f"offset {offset} has a dead letter, but no record")

    def _taken(self, partition: int, offset: int) -> Letter | None:
        letter = self._letters.get(partition, {}).pop(offset, None)
        if letter is not None:
            self._notes.repeated_dead_letters += letter.copies - 1
        return letter
