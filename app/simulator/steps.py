"""The steps of a life: one step becomes one event."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log

from app.domain.event_types import EventType, Stage

# Medians and spreads (sigma of the logarithm) in ms: shorter than in life, so that a minute shows whole artifacts.
STAGE_MS: dict[Stage, tuple[float, float]] = {
    "transcription": (900, 0.5),
    "claims_extraction": (1_200, 0.5),
    "entity_resolution": (400, 0.6),
    "draft_generation": (700, 0.5),
}
QUEUE_MS = (40.0, 0.8)
AT_ONCE_MS = (3.0, 0.3)
ANSWER_MS = (4_000.0, 0.8)
CLOSURE_MS = (5_000.0, 0.7)
RETRY_MS = (3_000.0, 0.6)
INCIDENT_MS = (5_000.0, 0.4)

STARTED: dict[Stage, EventType] = {
    "transcription": "transcription_started",
    "claims_extraction": "claims_extraction_started",
    "entity_resolution": "entity_resolution_started",
    "draft_generation": "draft_generation_started",
}
FAILED: dict[Stage, EventType] = {
    "transcription": "transcription_failed",
    "claims_extraction": "claims_extraction_failed",
    "entity_resolution": "entity_resolution_failed",
    "draft_generation": "draft_generation_failed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What happens `delay_ms` after the step before.

    `starts` opens a stage run, `ends` closes it: the event carries both stage times. `fields` and `metadata` are the
    event's other contents.
    """

    event_type: EventType
    delay_ms: float
    stage: Stage | None = None
    starts: bool = False
    ends: bool = False
    fields: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)


def draw_ms(rng: random.Random, shape: tuple[float, float]) -> float:
    """A log-normal duration in ms with this median and spread."""
    median, sigma = shape
    return rng.lognormvariate(log(median), sigma)


def score(rng: random.Random) -> float:
    """A confidence between 0 and 1, most often near 0.9."""
    return round(rng.betavariate(18, 2), 3)
