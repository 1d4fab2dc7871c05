"""An event's content is the same from the log and from its row, and another one if anything differs."""

import msgspec
import pytest

from app.audit.row_content import COLUMNS, content_of_event, content_of_row
from app.domain.event_model import Metadata, PipelineEvent, event_key

EVENT = PipelineEvent(
    event_id="00000000-0000-4000-8000-000000000001",
    event_type="claims_extracted",
    timestamp=1_800_000_000_000,
    artifact_id="art_1",
    organization_id="org-1",
    pipeline_stage="claims_extraction",
    stage_started_at=1,
    metadata=Metadata(claim_count=2, ai_cost=3.0, ai_model="gpt-4o"),
)
PLACE = (2, 7, 1_800_000_000_500)
KNOWN = {
    "UUIDStringToNum(toString(eventId))": event_key(EVENT),
    "timestamp": EVENT.timestamp,
    **dict(zip(("source_partition", "source_offset", "append_time_ms"), PLACE, strict=True)),
    "eventType": "claims_extracted",
    "artifactId": "art_1",
    "organizationId": "org-1",
    "pipelineStage": "claims_extraction",
    "stageStartedAt": 1,
    "metadata.claimCount": 2,
    "metadata.aiCost": 3.0,
    "metadata.aiModel": "gpt-4o",
}
UNKNOWN = {
    "voiceNoteId": "",
    "coachUserId": "",
    "previousStatus": "",
    "newStatus": "",
    "errorMessage": "",
    "errorCode": "",
}
ROW = [{**UNKNOWN, **KNOWN}.get(name) for name in COLUMNS]


def test_a_row_as_the_sink_writes_it_has_the_content_of_its_event() -> None:
    content = content_of_event(EVENT, *PLACE)
    assert content_of_row(ROW) == content
    assert (content.event_id, content.order) == (EVENT.event_id, (PLACE[2], PLACE[0], PLACE[1]))


@pytest.mark.parametrize("position", range(1, len(COLUMNS)), ids=COLUMNS[1:])
def test_every_column_counts(position: int) -> None:
    value = ROW[position]
    other = [*ROW[:position], f"{value}x" if isinstance(value, str) else (value or 0) + 1, *ROW[position + 1 :]]
    assert content_of_row(other).digest != content_of_row(ROW).digest


def test_rows_are_told_apart_by_id_organisation_type_and_time() -> None:
    changed = {
        "organization_id": "org-2", "event_type": "claims_extraction_failed", "timestamp": EVENT.timestamp + 1,
        "event_id": "00000000-0000-4000-8000-000000000002",
    }  # fmt: skip
    keys = {
        content_of_event(msgspec.structs.replace(EVENT, **{name: value}), *PLACE).key for name, value in changed.items()
    }
    assert len(keys | {content_of_event(EVENT, *PLACE).key}) == 5
    assert content_of_event(msgspec.structs.replace(EVENT, artifact_id="art_2"), *PLACE).key == content_of_row(ROW).key
