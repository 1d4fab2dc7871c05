"""The formulas of the figures in SQL, which the roll-up, the kept minutes, the questions and the views fill in.

Written from section 3.2 of the domain. `app/domain/rollups.py` tells the same in plain Python, apart from this; tests
compare the two.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

LONGEST_DURATION_MS: Final = 48 * 3_600_000
"""A stage that took longer has no duration."""


class StageEnds(NamedTuple):
    """A stage as events name it, the types that end it well, and the one that ends it badly."""

    stage: str
    good: tuple[str, ...]
    bad: str


STAGES: Final = {
    "transcription": StageEnds("transcription", ("transcription_completed",), "transcription_failed"),
    "claimsExtraction": StageEnds("claims_extraction", ("claims_extracted",), "claims_extraction_failed"),
    "entityResolution": StageEnds(
        "entity_resolution",
        ("entity_resolution_completed", "entity_needs_disambiguation"),
        "entity_resolution_failed",
    ),
    "draftGeneration": StageEnds("draft_generation", ("drafts_generated",), "draft_generation_failed"),
}
"""The stages as figures name them."""
COUNTS: Final[dict[str, tuple[str, ...]]] = {
    "artifactsReceived": ("artifact_received",),
    "artifactsCompleted": ("artifact_completed",),
    "artifactsFailed": ("artifact_failed",),
    **{f"{name}Successes": ends.good for name, ends in STAGES.items()},
    **{f"{name}Failures": (ends.bad,) for name, ends in STAGES.items()},
    "entityResolutionsAmbiguous": ("entity_needs_disambiguation",),
}
"""Which kinds a figure counts, of those that a minute has as well as an hour."""
LENGTHS: Final[dict[str, tuple[str, ...]]] = {
    **{f"{name}Latency": ends.good for name, ends in STAGES.items()},
    "endToEnd": ("end_to_end",),
}
"""Of which kinds lengths are added up and counted: what the names of those sums and samples begin with."""


def in_list(texts: Iterable[str]) -> str:
    """The texts as the right side of IN."""
    return f"({', '.join(map(repr, texts))})"


def kinds_of(figure: str) -> str:
    """The kinds of a figure of COUNTS or LENGTHS, as the right side of IN."""
    return in_list((COUNTS | LENGTHS)[figure])


# An event's type, apart from names settled by a person, which end no stage. An artifact's way is of kind end_to_end.
_KIND: Final = """\
if(eventType = 'entity_resolution_completed' AND previousStatus = 'needs_disambiguation',
           'names_settled', eventType)"""
_STAGE_ENDS: Final = in_list(type_ for ends in STAGES.values() for type_ in ends.good)
_STAGE_FAILURES: Final = in_list(ends.bad for ends in STAGES.values())
# Ends of stages that say too little to tell how long the stage took: the starts of their artifact are needed.
_IS_UNPAIRED: Final = f"""\
artifactId != '' AND eventType IN {_STAGE_ENDS}
          AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL)"""
# Of `started`, the artifact's starts (timestamp, event id, start of the stage, stage), those that may be of this end.
_STARTS_BEFORE: Final = "arrayFilter(start -> start.4 = pipelineStage AND start.1 <= timestamp, started)"
# Of an event of that `kind` and with those starts in `before`; any length, see _IS_LENGTH.
_DURATION: Final = f"""\
multiIf(
            kind NOT IN {_STAGE_ENDS}, NULL,
            stageStartedAt IS NOT NULL AND stageCompletedAt IS NOT NULL, stageCompletedAt - stageStartedAt,
            durationMs IS NOT NULL, durationMs,
            notEmpty(before), ifNull(stageCompletedAt, timestamp) - arrayMax(before).3,
            NULL)"""
_IS_LENGTH: Final = f"ifNull(duration BETWEEN 0 AND {LONGEST_DURATION_MS}, 0)"
# Of the marks of an artifact: its earliest receipt and completion, and the organisation of its way.
_WAY: Final = """\
toInt64(substring(min(receipt) AS received, 1, 20)) AS received_ms,
        toInt64(substring(min(completion) AS completed, 1, 20)) AS completed_ms,
        substring(if(length(completed) > 56, completed, received), 57) AS organization"""
_HAS_WAY: Final = "received != '~' AND completed != '~' AND completed_ms >= received_ms"
# Of the marks of an artifact: the channel of its latest event with one.
_CHANNEL: Final = "substring(max(channel), 57)"
# No sum of costs must leave the numbers.
_COST: Final = "least(ifNull(metadata.aiCost, 0), 1e38)"
BREAKER_STATE: Final = (
    "multiIf(newStatus IN ('open', 'half_open', 'closed'), newStatus, "
    "eventType = 'circuit_breaker_opened', 'open', 'closed')"
)
"""Of an event of the circuit breaker: the state that it tells."""

FORMULAS: Final[dict[str, object]] = {
    "longest_duration_ms": LONGEST_DURATION_MS,
    "stages": STAGES,
    "counts": COUNTS,
    "lengths": LENGTHS,
    "in_list": in_list,
    "kinds_of": kinds_of,
    "kind": _KIND,
    "stage_ends": _STAGE_ENDS,
    "stage_failures": _STAGE_FAILURES,
    "is_unpaired": _IS_UNPAIRED,
    "starts_before": _STARTS_BEFORE,
    "duration": _DURATION,
    "is_length": _IS_LENGTH,
    "way": _WAY,
    "has_way": _HAS_WAY,
    "channel": _CHANNEL,
    "cost": _COST,
}
"""What templates of statements and views may fill in. Migrations may not: their text must stay what it was."""
