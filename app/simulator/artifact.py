"""The life of one artifact, as steps that keep the producer contract."""

import random

from app.domain.event_types import ArtifactStatus, Stage
from app.simulator.steps import (
    ANSWER_MS,
    AT_ONCE_MS,
    CLOSURE_MS,
    FAILED,
    QUEUE_MS,
    RETRY_MS,
    STAGE_MS,
    STARTED,
    Step,
    draw_ms,
    score,
)

CHANNELS = ("whatsapp_audio", "whatsapp_text", "app_recorded", "app_typed", "voicemail")
CHANNEL_WEIGHTS = (45, 20, 20, 10, 5)
TYPED_CHANNELS = frozenset({"whatsapp_text", "app_typed"})
STAGES: tuple[Stage, ...] = ("transcription", "claims_extraction", "entity_resolution", "draft_generation")
MODELS: dict[Stage, str] = {
    "transcription": "whisper-1",
    "claims_extraction": "gpt-4o",
    "entity_resolution": "gpt-4o-mini",
    "draft_generation": "gpt-4o",
}
ERRORS: dict[Stage, tuple[tuple[str, str], ...]] = {
    "transcription": (("TRANSCRIPTION_ERROR", "audio could not be decoded"), ("MODEL_TIMEOUT", "no answer in 60 s")),
    "claims_extraction": (("CLAIMS_PARSE_ERROR", "answer is not the agreed JSON"), ("RATE_LIMITED", "429 from model")),
    "entity_resolution": (("ENTITY_RESOLUTION_ERROR", "roster could not be loaded"),),
    "draft_generation": (("DRAFT_GENERATION_ERROR", "draft without text"), ("MODEL_TIMEOUT", "no answer in 60 s")),
}
STATUS_BEFORE: dict[Stage, ArtifactStatus] = {
    "transcription": "received",
    "claims_extraction": "transcribed",
    "entity_resolution": "processing",
    "draft_generation": "processing",
}
# The status that an artifact takes when a stage is retried.
STATUS_OF_RETRY: dict[Stage, ArtifactStatus] = {
    "ingestion": "received",
    "transcription": "transcribing",
    "claims_extraction": "transcribed",
    "entity_resolution": "processing",
    "draft_generation": "processing",
}
AMBIGUOUS_SHARE = 0.15
CLOSED_SHARE = 0.7
CONFIRMED_SHARE = 0.8
ANSWERED_SHARE = 0.9
RETRIED_SHARE = 0.8
WHOLE_RETRY_SHARE = 0.2
FAILS_AGAIN_SHARE = 0.35
MAX_ATTEMPTS = 3


def artifact_steps(rng: random.Random, failure_rate: float) -> list[Step]:
    """A whole life: through all stages, or until a failure that nobody retries any more."""
    life = _Artifact(rng)
    life.receive()
    candidates = STAGES[1:] if life.is_typed else STAGES
    failing = rng.choice(candidates) if rng.random() < failure_rate else None
    for stage in STAGES:
        if stage != failing:
            life.run(stage)
        elif not life.fail_and_retry(stage):
            return life.steps
    life.complete()
    life.answer_drafts()
    return life.steps


class _Artifact:
    """Collects the steps of one artifact and what they depend on."""

    def __init__(self, rng: random.Random) -> None:
        self.steps: list[Step] = []
        self._rng = rng
        self._channel = rng.choices(CHANNELS, CHANNEL_WEIGHTS)[0]
        self._status: ArtifactStatus = "received"
        self._claims = 0
        self._drafts = 0
        self._open_names = 0
        self._whole_retry = 0

    @property
    def is_typed(self) -> bool:
        """Whether the note is a text that needs no transcription."""
        return self._channel in TYPED_CHANNELS

    def receive(self) -> None:
        """The note enters the pipeline."""
        self._add(Step("artifact_received", 0.0, "ingestion", metadata={"sourceChannel": self._channel}))

    def run(self, stage: Stage) -> None:
        """The stage from its start to a good end, with the status changes around it."""
        if stage == "transcription" and self.is_typed:
            self._add(Step("transcription_completed", self._at_once(), stage, ends=True, metadata=self._typed_text()))
        else:
            self._start(stage)
            self._end(stage)
        if stage == "transcription":
            self._move("transcribed")

    def _start(self, stage: Stage) -> None:
        if stage == "transcription" and self._status != "transcribing":
            self._move("transcribing")
        known = stage != "entity_resolution"
        model: dict[str, object] = {"aiModel": MODELS[stage]} if known else {}
        self._add(Step(STARTED[stage], draw_ms(self._rng, QUEUE_MS), stage, starts=True, metadata=model))
        if stage == "claims_extraction" and self._status != "processing":
            self._move("processing")

    def _end(self, stage: Stage) -> None:
        took = draw_ms(self._rng, STAGE_MS[stage])
        if stage == "transcription":
            self._add(Step("transcription_completed", took, stage, ends=True, metadata=self._transcript()))
        elif stage == "claims_extraction":
            self._add(Step("claims_extracted", took, stage, ends=True, metadata=self._found_claims()))
        elif stage == "entity_resolution":
            self._resolve(took)
        else:
            self._add(Step("drafts_generated", took, stage, ends=True, metadata=self._made_drafts()))

    def _resolve(self, took: float) -> None:
        entities = round(self._claims * self._rng.uniform(0.5, 1.5))
        self._open_names = 0
        if entities and self._rng.random() < AMBIGUOUS_SHARE:
            self._open_names = self._rng.randint(1, min(2, entities))
        event_type = "entity_needs_disambiguation" if self._open_names else "entity_resolution_completed"
        metadata = {
            "entityCount": entities,
            "autoResolvedCount": entities - self._open_names,
            "disambiguationCount": self._open_names,
            "aiCost": self._cost(0.0004),
        }
        self._add(Step(event_type, took, "entity_resolution", ends=True, metadata=metadata))  # type: ignore[arg-type]

    def fail_and_retry(self, stage: Stage) -> bool:
        """The stage fails; whether a retry ended it well."""
        self._fail(stage)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            if self._rng.random() >= RETRIED_SHARE:
                return False
            if self._rng.random() < WHOLE_RETRY_SHARE:
                self._whole_retry = attempt
                self._initiate("ingestion", attempt)
                for earlier in STAGES[: STAGES.index(stage) + 1]:
                    self.run(earlier)
                return True
            self._initiate(stage, attempt)
            if self._rng.random() >= FAILS_AGAIN_SHARE:
                self.run(stage)
                self._add(self._outcome("retry_succeeded", stage, attempt))
                return True
            self._fail(stage, attempt)
        return False

    def _fail(self, stage: Stage, attempt: int = 0) -> None:
        code, message = self._rng.choice(ERRORS[stage])
        error: dict[str, object] = {"errorMessage": message, "errorCode": code}
        self._start(stage)
        took = draw_ms(self._rng, STAGE_MS[stage])
        self._add(Step(FAILED[stage], took, stage, ends=True, fields=error, metadata={"aiCost": self._cost(0.001)}))
        if attempt:
            self._add(self._outcome("retry_failed", stage, attempt, message))
        change = {"previousStatus": self._status, "newStatus": "failed"}
        self._add(Step("artifact_failed", self._at_once(), fields=change | error))
        self._status = "failed"

    def _initiate(self, stage: Stage, attempt: int) -> None:
        delay = draw_ms(self._rng, RETRY_MS)
        self._add(Step("retry_initiated", delay, stage, metadata={"retryAttempt": attempt}))
        self._move(STATUS_OF_RETRY[stage])

    def _outcome(self, event_type: str, stage: Stage, attempt: int, message: str = "") -> Step:
        fields = {"errorMessage": message} if message else {}
        metadata = {"retryAttempt": attempt}
        return Step(event_type, self._at_once(), stage, fields=fields, metadata=metadata)  # type: ignore[arg-type]

    def complete(self) -> None:
        """Everything is done but the coach's answers."""
        if self._whole_retry:
            self._add(self._outcome("retry_succeeded", "ingestion", self._whole_retry))
        change = {"previousStatus": self._status, "newStatus": "completed"}
        self._add(Step("artifact_completed", self._at_once(), fields=change))
        self._status = "completed"

    def answer_drafts(self) -> None:
        """A human settles open names; a coach answers most drafts."""
        if self._open_names and self._rng.random() < CLOSED_SHARE:
            metadata = {"entityCount": self._open_names, "autoResolvedCount": 0, "disambiguationCount": 0}
            fields = {"previousStatus": "needs_disambiguation"}
            delay = draw_ms(self._rng, CLOSURE_MS)
            self._add(
                Step(
                    "entity_resolution_completed",
                    delay,
                    "entity_resolution",
                    ends=True,
                    fields=fields,
                    metadata=metadata,
                )
            )
        for _ in range(self._drafts):
            if self._rng.random() < ANSWERED_SHARE:
                accepted = self._rng.random() < CONFIRMED_SHARE
                delay = draw_ms(self._rng, ANSWER_MS)
                self._add(
                    Step(
                        "draft_confirmed" if accepted else "draft_rejected",
                        delay,
                        "confirmation",
                        ends=True,
                        metadata={"confidenceScore": score(self._rng)},
                    )
                )

    def _move(self, status: ArtifactStatus) -> None:
        change = {"previousStatus": self._status, "newStatus": status}
        self._add(Step("artifact_status_changed", self._at_once(), fields=change))
        self._status = status

    def _add(self, step: Step) -> None:
        self.steps.append(step)

    def _at_once(self) -> float:
        return draw_ms(self._rng, AT_ONCE_MS)

    def _cost(self, typical: float) -> float:
        return round(typical * self._rng.uniform(0.5, 2.0), 6)

    def _typed_text(self) -> dict[str, object]:
        return {"transcriptWordCount": self._rng.randint(5, 80), "aiModel": "user_typed"}

    def _transcript(self) -> dict[str, object]:
        seconds = round(draw_ms(self._rng, (40.0, 0.6)), 1)
        return {
            "transcriptDuration": seconds,
            "transcriptWordCount": round(seconds * self._rng.uniform(1.8, 2.8)),
            "aiModel": MODELS["transcription"],
            "confidenceScore": score(self._rng),
            "aiCost": round(seconds / 60 * 0.006, 6),
        }

    def _found_claims(self) -> dict[str, object]:
        self._claims = min(9, int(self._rng.expovariate(1 / 3.2)))
        found: dict[str, object] = {"claimCount": self._claims, "aiModel": MODELS["claims_extraction"]}
        if self._claims:
            found["confidenceScore"] = score(self._rng)
        return found | {"aiCost": self._cost(0.004)}

    def _made_drafts(self) -> dict[str, object]:
        self._drafts = self._rng.randint(0, min(3, self._claims))
        made: dict[str, object] = {"draftCount": self._drafts, "aiCost": self._cost(0.003)}
        return made | ({"confidenceScore": score(self._rng)} if self._drafts else {})
