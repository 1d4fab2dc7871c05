"""Events as producers send them."""

import json
from typing import Any

EVENT_ID = "6f0e0b7e-4a2c-4f0e-9c55-0d6f6d1f3c11"
TIMESTAMP = 1_771_165_805_123
APPEND_TIME_MS = TIMESTAMP + 77


def event_fields(**changes: Any) -> dict[str, Any]:
    """A complete claims_extracted event as JSON members, with the changes applied."""
    fields: dict[str, Any] = {
        "eventId": EVENT_ID,
        "eventType": "claims_extracted",
        "timestamp": TIMESTAMP,
        "artifactId": "art_01",
        "organizationId": "org_abc123",
        "coachUserId": "user_9",
        "pipelineStage": "claims_extraction",
        "stageStartedAt": 1_771_165_801_000,
        "stageCompletedAt": 1_771_165_805_000,
        "metadata": {"claimCount": 4, "confidenceScore": 0.87, "aiModel": "gpt-4o", "aiCost": 0.0042},
    }
    return fields | changes


def event_bytes(**changes: Any) -> bytes:
    """That event as a record's value."""
    return json.dumps(event_fields(**changes), separators=(",", ":")).encode()


def with_member(member: str, **changes: Any) -> bytes:
    """That event with one more member, written as it stands, at the end."""
    return event_bytes(**changes)[:-1] + b"," + member.encode("utf-8", "surrogatepass") + b"}"


def bare_bytes(member: str, event_type: str = "artifact_status_changed") -> bytes:
    """An event with nothing but the required fields and one more member, written as it stands."""
    required = f'"eventId":"{EVENT_ID}","eventType":"{event_type}","timestamp":{TIMESTAMP}'
    return ("{" + required + "," + member + "}").encode("utf-8", "surrogatepass")
