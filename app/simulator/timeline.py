"""Which event is sent when: an endless pipeline in its own time, laid onto slots of an exact rate."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import log

from app.simulator.artifact import artifact_steps
from app.simulator.incidents import incident_steps, rate_limit_step
from app.simulator.life import Life
from app.simulator.names import organization_id
from app.simulator.options import SimulationOptions
from app.simulator.steps import Step

MEASURED_LIVES = 300
ARTIFACTS_PER_INCIDENT = 12
RECORDS_PER_FIRST_ARTIFACT = 25
HIDDEN_ORGANISATION_SHARE = 0.04
VOICE_NOTE_SHARE = 0.2
COACHES_PER_ORGANISATION = 8
RESEND_MEAN_MS = 2_000.0
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LATE_MEDIAN_MS, LATE_SIGMA = 30 * MINUTE_MS, 1.2
LATE_MIN_MS, LATE_MAX_MS = 2 * MINUTE_MS, 46 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An event and when it is sent."""

    send_at_ms: int
    event: dict[str, object]
    is_duplicate: bool = False
    is_late: bool = False


@dataclass(slots=True)
class _Resend:
    event: dict[str, object]
    is_late: bool


@dataclass(slots=True)
class _Arrival:
    """The next artifact, or the next incident."""

    is_incident: bool


class Timeline:
    """The records of a simulation in the order of sending; the same options and start give the same records.

    The pipeline runs in a time of its own, in which artifacts arrive at random and take their time; the k-th record in
    that order is sent at `start_ms` + k / rate, and that is when it happened: the rate is exact. The first artifacts
    rush to different stages, so that all stages are busy from the first second. With an end, artifacts stop arriving
    early enough for all to finish in time.
    """

    def __init__(self, options: SimulationOptions, start_ms: int) -> None:
        self._options = options
        self._start_ms = start_ms
        # The start belongs to the seed: a second run must not look like a resend of the first.
        self._rng = random.Random(f"{options.seed}/{start_ms}")  # noqa: S311  (must repeat itself)
        self._heap: list[tuple[float, int, Life | _Resend | _Arrival]] = []
        self._pushes = 0
        self._pending = 0
        self._incidents = 0
        self._weights = [1 / (rank + 1) for rank in range(options.organisations)]
        self._arrival_ms = self._mean_records() / options.rate * 1000
        self.artifacts = 0
        self.unfinished = 0

    def __iter__(self) -> Iterator[Scheduled]:
        total = self._options.records
        self._push(0.0, _Arrival(is_incident=False))
        self._push(self._arrival_ms, _Arrival(is_incident=True))
        self._fill(total)
        slot = 0
        while total is None or slot < total:
            left = None if total is None else total - slot
            send_at_ms = self._start_ms + int(slot * 1000 / self._options.rate)
            yield self._next(send_at_ms, left)
            slot += 1

    def _next(self, send_at_ms: int, left: int | None) -> Scheduled:
        """The next record; `left` is the number of free slots, this one included."""
        while self._heap:
            now, _, item = heapq.heappop(self._heap)
            if isinstance(item, _Arrival):
                self._arrive(now, item, left)
                continue
            self._pending -= 1
            if isinstance(item, _Resend):
                return Scheduled(send_at_ms, item.event, is_duplicate=True, is_late=item.is_late)
            return self._happen(now, item, send_at_ms)
        filler = self._incident_life([rate_limit_step()])
        return Scheduled(send_at_ms, filler.next_event(self._rng, send_at_ms))

    def _happen(self, now: float, life: Life, send_at_ms: int) -> Scheduled:
        resent = life.resends.popleft()
        event = life.next_event(self._rng, send_at_ms)
        is_late = life.shift_ms > 0
        if life.steps:
            self._push(now + life.steps[0].delay_ms, life)
        elif "artifactId" in event:
            self.unfinished -= 1
        if resent:
            self._push(now + self._rng.expovariate(1 / RESEND_MEAN_MS), _Resend(event, is_late))
        return Scheduled(send_at_ms, event, is_late=is_late)

    def _arrive(self, now: float, arrival: _Arrival, left: int | None) -> None:
        """Begin a life if its records still fit, and plan the next arrival; without an end there always is one."""
        life = self._new_incident() if arrival.is_incident else self._new_artifact()
        if not self._begin(now, life, left):
            return
        mean = self._arrival_ms * (ARTIFACTS_PER_INCIDENT if arrival.is_incident else 1)
        self._push(now + self._rng.expovariate(1 / mean), arrival)

    def _begin(self, now: float, life: Life, left: int | None) -> bool:
        """Whether the life's records still fit; if so, it has begun."""
        life.resends.extend(self._rng.random() < self._options.duplicate_rate for _ in life.steps)
        records = len(life.steps) + sum(life.resends)
        if left is not None and self._pending + records > left:
            return False
        self._pending += records
        if "artifactId" in life.identity:
            self.artifacts += 1
            self.unfinished += 1
        self._push(now + life.steps[0].delay_ms, life)
        return True

    def _fill(self, left: int | None) -> None:
        """Begin artifacts that rush to stages spread over the whole pipeline."""
        count = max(1, int(self._options.rate / RECORDS_PER_FIRST_ARTIFACT))
        for index in range(count):
            life = self._new_artifact()
            life.rush(round(len(life.steps) * (index + 1) / count))
            self._begin(0.0, life, left)

    def _push(self, due_ms: float, item: Life | _Resend | _Arrival) -> None:
        self._pushes += 1
        heapq.heappush(self._heap, (due_ms, self._pushes, item))

    def _new_artifact(self) -> Life:
        rng = self._rng
        organisation = self._organisation()
        identity: dict[str, object] = {"artifactId": f"art_{rng.getrandbits(64):016x}", "organizationId": organisation}
        identity["coachUserId"] = f"user_{organisation[-3:]}_{rng.randrange(COACHES_PER_ORGANISATION)}"
        if rng.random() < VOICE_NOTE_SHARE:
            identity["voiceNoteId"] = f"vn_{rng.getrandbits(32):08x}"
        life = Life.of(identity, artifact_steps(rng, self._options.failure_rate))
        life.hides_organisation = rng.random() < HIDDEN_ORGANISATION_SHARE
        if rng.random() < self._options.late_rate:
            delay = rng.lognormvariate(log(LATE_MEDIAN_MS), LATE_SIGMA)
            life.shift_ms = int(min(max(delay, LATE_MIN_MS), LATE_MAX_MS))
        return life

    def _new_incident(self) -> Life:
        life = self._incident_life(incident_steps(self._rng, self._incidents))
        self._incidents += 1
        return life

    def _incident_life(self, steps: list[Step]) -> Life:
        platform_wide = steps[0].event_type.startswith("circuit") or self._rng.random() < 0.3
        spends = steps[0].event_type.startswith("budget")
        identity = {} if platform_wide and not spends else {"organizationId": self._organisation()}
        return Life.of(identity, steps)

    def _organisation(self) -> str:
        number = self._rng.choices(range(self._options.organisations), self._weights)[0]
        return organization_id(number)

    def _mean_records(self) -> float:
        """Records per artifact, its share of incidents and resends included, measured on lives of another seed."""
        rng = random.Random(0)  # noqa: S311  (must repeat itself)
        plan = partial(artifact_steps, rng, self._options.failure_rate)
        mean = sum(len(plan()) for _ in range(MEASURED_LIVES)) / MEASURED_LIVES
        return (mean + 5 / 3 / ARTIFACTS_PER_INCIDENT) * (1 + self._options.duplicate_rate)
