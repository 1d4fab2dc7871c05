"""One artifact or incident on its way through its steps."""

import random
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from app.simulator.steps import Step

RUSH_FACTOR = 0.02


@dataclass(slots=True)
class Life:
    """Remaining steps, which of their events are sent twice, and what all its events share.

    `shift_ms` is how long before their sending the events happened: the same for the whole life, so that durations
    and order stay true.
    """

    identity: Mapping[str, object]
    steps: deque[Step]
    resends: deque[bool] = field(default_factory=deque)
    shift_ms: int = 0
    hides_organisation: bool = False
    started_at_ms: int | None = field(default=None)

    @classmethod
    def of(cls, identity: Mapping[str, object], steps: Iterable[Step]) -> "Life":
        """A life that has not begun."""
        return cls(identity, deque(steps))

    def rush(self, count: int) -> None:
        """Let the first `count` steps follow each other fast."""
        for index in range(count):
            step = self.steps[index]
            self.steps[index] = replace(step, delay_ms=step.delay_ms * RUSH_FACTOR)

    def next_event(self, rng: random.Random, send_at_ms: int) -> dict[str, object]:
        """The event of the next step, which happens now (seen from the shifted clock)."""
        step = self.steps.popleft()
        now_ms = send_at_ms - self.shift_ms
        event: dict[str, object] = {
            "eventId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "eventType": step.event_type,
            "timestamp": now_ms,
            **self.identity,
        }
        if self.hides_organisation:
            event.pop("organizationId", None)
            self.hides_organisation = False
        if step.stage is not None:
            event["pipelineStage"] = step.stage
        event.update(step.fields)
        event.update(self._stage_times(step, now_ms))
        if step.metadata:
            event["metadata"] = dict(step.metadata)
        return event

    def _stage_times(self, step: Step, now_ms: int) -> dict[str, object]:
        if step.starts:
            self.started_at_ms = now_ms
            return {"stageStartedAt": now_ms}
        if not step.ends:
            return {}
        # Ends without a start of their own (typed texts, answers of people) took no time of the machine.
        started = now_ms if self.started_at_ms is None else self.started_at_ms
        self.started_at_ms = None
        return {"stageStartedAt": started, "stageCompletedAt": now_ms}
