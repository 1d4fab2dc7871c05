"""A believable state of the monitor without Kafka and ClickHouse: what the API would answer, from simulated lives."""

import math
import random
import time
import uuid
from collections import defaultdict
from typing import Any

from app.domain.event_types import FAIL, STAGE_OF_TYPE
from app.domain.windows import DAY_MS, HOUR_MS
from app.simulator.artifact import artifact_steps
from app.simulator.incidents import incident_steps
from app.simulator.life import Life

Json = dict[str, Any]
ORGANISATIONS = {
    "org_001": "Grange Athletic",
    "org_002": "Clontarf Hurling Club",
    "org_003": "Northside Rugby Academy",
    "org_004": "Lakeview Swim Team",
    "org_005": "Riverside Juniors FC",
}
SHARES = (34, 26, 18, 13, 9)
LIVES = 150
SPREAD_MS = 5 * HOUR_MS


class World:
    """Events, artifacts and figures around `now_ms`."""

    def __init__(self, now_ms: int, seed: int = 7) -> None:
        self.now_ms = now_ms
        self._rng = random.Random(seed)
        self.events = sorted(self._make_events(), key=lambda event: (event["timestamp"], event["eventId"]))
        self.artifacts = self._make_artifacts()

    def _make_events(self) -> list[Json]:
        found: list[Json] = []
        for number in range(LIVES):
            organisation = self._rng.choices(list(ORGANISATIONS), SHARES)[0]
            identity = {
                "artifactId": f"art_{number:05}",
                "organizationId": organisation,
                "coachUserId": f"user_{self._rng.randint(1, 40)}",
            }
            start = self.now_ms - int(self._rng.random() ** 1.6 * SPREAD_MS)
            found += self._lived(identity, artifact_steps(self._rng, 0.08), start, scale=9)
        for number in range(6):
            start = self.now_ms - self._rng.randint(HOUR_MS, SPREAD_MS)
            found += self._lived({"organizationId": "org_001"}, incident_steps(self._rng, number), start, scale=20)
        return found

    def _lived(self, identity: Json, steps: Any, start_ms: int, scale: float) -> list[Json]:
        life, at, found = Life.of(identity, steps), float(start_ms), []
        while life.steps:
            at += life.steps[0].delay_ms * scale
            if at > self.now_ms:
                break
            event = life.next_event(self._rng, int(at))
            if "stageStartedAt" in event and "stageCompletedAt" in event:
                event["durationMs"] = event["stageCompletedAt"] - event["stageStartedAt"]
            event["orgName"] = ORGANISATIONS[str(identity["organizationId"])]
            found.append(event)
        return found

    def _make_artifacts(self) -> list[Json]:
        by_id: dict[str, list[Json]] = defaultdict(list)
        for event in self.events:
            if "artifactId" in event:
                by_id[event["artifactId"]].append(event)
        found = [self._artifact(name, events) for name, events in by_id.items()]
        return sorted(found, key=lambda artifact: (-artifact["createdAt"], artifact["artifactId"]))

    def _artifact(self, name: str, events: list[Json]) -> Json:
        first, last = events[0], events[-1]
        row: Json = {
            "artifactId": name,
            "status": "received",
            "organizationId": first["organizationId"],
            "orgName": first["orgName"],
            "coachUserId": first["coachUserId"],
            "createdAt": first["timestamp"],
            "updatedAt": last["timestamp"],
            "retryCount": 0,
            "openDisambiguations": 0,
            "aiCost": round(sum(event.get("metadata", {}).get("aiCost", 0) for event in events), 6),
        }
        for event in events:
            _apply(row, event)
        row["elapsedMs"] = self.now_ms - row["createdAt"]
        row["stageElapsedMs"] = self.now_ms - row["stageEnteredAt"]
        return row

    def publish(self, event_type: str, **fields: Any) -> Json:
        """One more event, now."""
        identity = {"eventId": str(uuid.uuid4()), "timestamp": max(time.time_ns() // 1_000_000, self.now_ms)}
        event: Json = {**identity, "eventType": event_type, **fields}
        self.events.append(event)
        return event

    def of(self, rows: list[Json], organisation: str | None) -> list[Json]:
        """Rows of an organisation, or all."""
        return [row for row in rows if organisation in (None, row.get("organizationId"))]

    def trailing(self, types: set[str] | frozenset[str], organisation: str | None, since_ms: int) -> list[Json]:
        """Events of these types after a time."""
        return [e for e in self.of(self.events, organisation) if e["eventType"] in types and e["timestamp"] > since_ms]

    def snapshot(self, start_ms: int, size_ms: int, organisation: str | None) -> Json:
        """A plausible row of history: more by day than by night, one bad afternoon."""
        rng = random.Random(f"{start_ms}{organisation}")
        hour = start_ms % DAY_MS / HOUR_MS
        wave = 1.15 + math.sin((hour - 9) / 24 * 2 * math.pi) if size_ms == HOUR_MS else size_ms / HOUR_MS
        share = 1.0 if organisation is None else SHARES[list(ORGANISATIONS).index(organisation)] / 100
        received = round(46 * wave * share * rng.uniform(0.8, 1.2))
        rate = rng.uniform(0.01, 0.05) + (0.12 if hour == 14 and size_ms == HOUR_MS else 0)
        failed = round(received * rate)
        latency = {stage: base * rng.uniform(0.85, 1.25) for stage, base in LATENCY.items()}
        total = sum(latency.values()) * 1.3
        row: Json = {
            "periodType": "hourly" if size_ms == HOUR_MS else "daily",
            "periodStart": start_ms,
            "periodEnd": start_ms + size_ms,
            "artifactsReceived": received,
            "artifactsCompleted": received - failed,
            "artifactsFailed": failed,
            "endToEndSamples": received - failed,
            "avgEndToEndLatency": total,
            "p95EndToEndLatency": round(total * rng.uniform(1.7, 2.3)),
            "totalAICost": received * 0.011 * rng.uniform(0.9, 1.1),
            "autoResolutionRate": 0.86,
            "entityResolutionSuccesses": received,
            "entityResolutionsAmbiguous": round(received * 0.14),
            "terminalFailureRate": failed / max(1, received),
            "overallFailureRate": failed / max(1, received),
        }
        for stage, value in latency.items():
            row[f"avg{stage[0].upper()}{stage[1:]}Latency"] = value
            row[f"{stage}LatencySamples"] = received
            row[f"{stage}Successes"] = received
            row[f"{stage}Failures"] = round(failed / 4)
        return row


LATENCY = {"transcription": 8_200, "claimsExtraction": 11_000, "entityResolution": 3_900, "draftGeneration": 6_400}
STATUS_OF = {
    "artifact_received": "received",
    "transcription_started": "transcribing",
    "transcription_completed": "transcribed",
    "claims_extraction_started": "processing",
    "artifact_completed": "completed",
    "artifact_failed": "failed",
}
COUNTS = {
    "claims_extracted": "claimCount",
    "drafts_generated": "draftCount",
    "entity_resolution_completed": "entityCount",
}


def _apply(row: Json, event: Json) -> None:
    """Bring an artifact's row up to the event, roughly."""
    kind, metadata = event["eventType"], event.get("metadata", {})
    row["status"] = STATUS_OF.get(kind, event.get("newStatus", row["status"]))
    stage = STAGE_OF_TYPE[kind] or (event.get("pipelineStage") if kind == "retry_initiated" else None)
    if stage and row.get("stage") != stage:
        row |= {"stage": stage, "stageEnteredAt": event["timestamp"]}
    if "sourceChannel" in metadata:
        row["sourceChannel"] = metadata["sourceChannel"]
    if kind in COUNTS and COUNTS[kind] in metadata:
        row[COUNTS[kind]] = metadata[COUNTS[kind]]
    if kind == "entity_needs_disambiguation":
        row |= {"openDisambiguations": metadata["disambiguationCount"], "entityCount": metadata["entityCount"]}
    if kind == "artifact_completed":
        row |= {"completedAt": event["timestamp"], "endToEndMs": event["timestamp"] - row["createdAt"]}
    if kind in FAIL:
        row |= {"failedAt": event["timestamp"], "failedStage": row["stage"]}
        row |= {"lastErrorMessage": event.get("errorMessage"), "lastErrorCode": event.get("errorCode")}
    row["retryCount"] += kind == "retry_initiated"
