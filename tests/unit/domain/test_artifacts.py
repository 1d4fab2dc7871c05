"""The fold of an artifact's events."""

import random
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from app.domain.artifacts import ArtifactEvent, artifact_event, fold_artifact
from app.domain.recount import recount
from tests.sample_log import read_expected, read_log

WAITS = ("waitingFor", "waitingSince")


def sample_events() -> dict[str, list[ArtifactEvent]]:
    found: dict[str, list[ArtifactEvent]] = defaultdict(list)
    for accepted in recount(read_log("events.ndjson")).accepted:
        if accepted.event.artifact_id:
            found[accepted.event.artifact_id].append(artifact_event(accepted.event))
    return found


def rows(events: dict[str, list[ArtifactEvent]]) -> list[dict[str, Any]]:
    folded = [msgspec.to_builtins(fold_artifact(name, events[name])) for name in sorted(events)]
    return [{name: value for name, value in row.items() if name not in WAITS} for row in folded]


def test_every_artifact_of_the_sample_has_its_expected_row() -> None:
    found = rows(sample_events())
    wanted = sorted(read_expected("expected.json")["artifacts"], key=lambda row: row["artifactId"])
    assert [row["artifactId"] for row in found] == [row["artifactId"] for row in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine == {
            **theirs,
            **({"aiCost": pytest.approx(theirs["aiCost"], abs=1e-6)} if "aiCost" in theirs else {}),
        }


def test_shuffled_and_repeated_events_give_the_same_rows() -> None:
    events = sample_events()
    in_order = rows(events)
    chance = random.Random(7)
    mixed = {name: chance.sample(found * 2, len(found) * 2) for name, found in events.items()}
    assert rows(mixed) == in_order


def step(kind: str, at: int, **fields: Any) -> ArtifactEvent:
    return ArtifactEvent(event_type=kind, timestamp=at, event_id=f"{kind}{at}", **fields)


@pytest.mark.parametrize(
    ("steps", "due"),
    [
        ([("artifact_received", 1)], ("transcription", 1)),
        ([("artifact_received", 1), ("artifact_status_changed", 2)], (None, None)),
        ([("artifact_received", 1), ("transcription_started", 2)], ("transcription", 2)),
        ([("transcription_started", 2), ("transcription_completed", 3)], ("claims_extraction", 3)),
        ([("transcription_completed", 3), ("artifact_status_changed", 4)], ("claims_extraction", 3)),
        ([("claims_extraction_started", 4), ("claims_extracted", 5)], (None, None)),
        ([("entity_needs_disambiguation", 5), ("artifact_completed", 6)], ("draft_generation", 5)),
        ([("draft_generation_started", 6), ("drafts_generated", 7)], (None, None)),
        ([("draft_generation_started", 6), ("artifact_failed", 7)], (None, None)),
    ],
)
def test_an_artifact_waits_for_what_has_to_follow_its_last_step(
    steps: list[tuple[str, int]], due: tuple[str | None, int | None]
) -> None:
    state = fold_artifact("art", [step(kind, at) for kind, at in steps])
    assert (state.waiting_for, state.waiting_since) == due


def test_claims_wait_for_the_resolution_of_their_entities() -> None:
    state = fold_artifact("art", [step("claims_extracted", 5, claim_count=2)])
    assert (state.waiting_for, state.waiting_since) == ("entity_resolution", 5)


def test_an_artifact_without_events_is_refused() -> None:
    with pytest.raises(ValueError, match="no state"):
        fold_artifact("art", [])
