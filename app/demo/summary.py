"""What a demo run amounts to, and whether its numbers agree."""

from dataclasses import asdict, dataclass
from typing import Any

from app.demo.figures import Counts


@dataclass(frozen=True, slots=True)
class Published:
    """What the simulated publishers did: records = distinct + resends; `delivered` ones were acknowledged by Kafka."""

    distinct: int
    resends: int
    delivered: int

    @property
    def records(self) -> int:
        """Records given to the publisher."""
        return self.distinct + self.resends


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """The numbers of this run alone, although the demo keeps its data between runs.

    `appended` counts the records that `voice-events` got during the run, of whatever publisher; `stored` the events in
    ClickHouse that come from these records, each once. `counted` is what the worker says; a worker that was started
    again knows no more than its last process did, so it is then what the audit says, with its `differences`.
    """

    seconds: float
    interrupted: bool
    published: Published
    appended: int
    counted: Counts
    stored: int
    restarts: int = 0
    differences: tuple[str, ...] | None = None

    @property
    def foreign(self) -> int:
        """Records that others published into the demo's topic."""
        return max(self.appended - self.published.delivered, 0)

    def problems(self) -> list[str]:
        """What does not agree, in sentences; empty if everything does."""
        published, counted = self.published, self.counted
        checks = [
            (published.delivered, published.records, "records acknowledged by Kafka, records published"),
            (self.appended - self.foreign, published.delivered, "records in the log, records acknowledged by Kafka"),
            (counted.records, self.appended, "records counted, records in the log"),
            (self.stored, counted.accepted, "events stored, events counted"),
        ]
        if not self.foreign:
            checks.append((counted.accepted, published.distinct, "events counted, events published"))
            checks.append((counted.duplicates, published.resends, "duplicates found, resends published"))
        differing = [f"{left:,} and {right:,} differ: {what}" for left, right, what in checks if left != right]
        return [*differing, *(self.differences or ())]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        counted = asdict(self.counted)
        return {
            "seconds": round(self.seconds, 1),
            "interrupted": self.interrupted,
            "published": asdict(self.published) | {"records": self.published.records},
            "appended": self.appended,
            "foreign": self.foreign,
            "counted": {name: counted[name] for name in ("accepted", "duplicates", "rejected")},
            "stored": self.stored,
            "restarts": self.restarts,
            "audited": self.differences is not None,
            "agree": not self.problems(),
            "problems": self.problems(),
        }

    def sentences(self) -> list[str]:
        """For people."""
        counted, problems = self.counted, self.problems()
        audited = "" if self.differences is None else ", by an audit of the log"
        others = f", and {self.foreign:,} records by others" if self.foreign else ""
        lines = [
            f"Published  {self.published.distinct:,} events and {self.published.resends:,} resends "
            f"in {self.seconds:.1f} s{others}",
            f"Counted    {counted.accepted:,} events, {counted.duplicates:,} duplicates, "
            f"{counted.rejected:,} refused{audited}",
            f"Stored     {self.stored:,} events",
        ]
        return [*lines, *problems] if problems else [*lines, "Published, counted and stored agree."]
