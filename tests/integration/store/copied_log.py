"""Random logs whose events come again through other partitions with other content, and what a store must say of it."""

import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from app.domain import rollups
from app.domain.artifacts import ArtifactState, artifact_event, fold_artifact
from app.domain.event_model import Anomalies, Metadata, PipelineEvent, settle_derived
from app.domain.event_types import ACTIVE_STATUSES, EVENT_TYPES, FAIL
from app.domain.recount import AcceptedEvent
from app.domain.windows import HOUR_MS, MINUTE_MS
from app.queries.artifacts import ActiveParameters, ArtifactsParameters, FailedParameters, active, artifacts, failed
from app.queries.events import EventsParameters, recent_events
from app.queries.fields import Parameters, RangeParameters
from app.queries.minutes import minutes
from app.queries.overview import overview
from app.queries.timeline import ArtifactParameters, timeline
from tests.integration.store.reference import differences
from tests.integration.store.rows import line_of
from tests.integration.store.test_overview_queries import distributions_equal, plain

FIRST = 1771113600000  # 2026-02-15T00:00Z
HOURS = 5
APPENDED = FIRST + 24 * HOUR_MS
NOW = FIRST + 26 * HOUR_MS
ARTIFACTS = ("art_1", "art_2", "art_3", "it's 100 % \\ ü %(ids)s", None)
ORGANIZATIONS = ("org_1", "org_2", None)
# What figures depend on beyond the event's own row, more often than the rest.
LINKS = ("artifact_received", "artifact_completed", "transcription_started", "transcription_completed")
BREAKERS = ("circuit_breaker_opened", "circuit_breaker_closed")
TYPES = (*EVENT_TYPES, *LINKS * 4, *BREAKERS * 2)
CHANGES = ("artifact_id", "timestamp", "event_type", "organization_id")


@dataclass
class CopiedLog:
    """Records of a log of four partitions, in any order."""

    seed: int
    accepted: list[AcceptedEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        start = PipelineEvent(event_id=self._id(), event_type="rate_limit_hit", timestamp=FIRST)
        self._append(start, 0)
        for _ in range(self.random.randint(8, 30)):
            event = self._event()
            partitions = self.random.sample(range(4), self.random.choice((1, 1, 2, 2, 3)))
            self._append(event, partitions[0])
            for partition in partitions[1:]:
                self._append(self._changed(event), partition)
        self.random.shuffle(self.accepted)

    @property
    def events(self) -> list[PipelineEvent]:
        """Of each event the copy first in the log."""
        first: dict[str, AcceptedEvent] = {}
        for each in self.accepted:
            known = first.setdefault(each.event.event_id, each)
            first[each.event.event_id] = min(known, each, key=_place)
        return [each.event for each in first.values()]

    def batches(self) -> list[list[dict[str, Any]]]:
        """Its lines in pieces, some of them twice."""
        lines = [line_of(each) for each in self.accepted]
        cuts = sorted(self.random.sample(range(len(lines)), self.random.randint(0, 3)))
        pieces = [lines[first:end] for first, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
        again = [self.random.sample(lines, min(5, len(lines)))] if self.random.random() < 0.5 else []
        return [piece for piece in (*pieces, *again) if piece]

    def _append(self, event: PipelineEvent, partition: int) -> None:
        settle_derived(event, Anomalies())
        number = len(self.accepted)
        appended = APPENDED + self.random.randint(0, 3)
        self.accepted.append(AcceptedEvent(number, partition, number, appended, event))

    def _event(self) -> PipelineEvent:
        rng, at = self.random, self._time()
        return PipelineEvent(
            event_id=self._id(),
            event_type=rng.choice(TYPES),
            timestamp=at,
            artifact_id=rng.choice(ARTIFACTS),
            organization_id=rng.choice(ORGANIZATIONS),
            stage_started_at=rng.choice((None, None, at - 3000)),
            stage_completed_at=rng.choice((None, at + 500)),
            duration_ms=rng.choice((None, None, 700)),
            new_status=rng.choice((None, "open", "half_open", "processing")),
            error_message=rng.choice((None, "broken")),
            metadata=Metadata(
                source_channel=rng.choice((None, "voicemail", "app_typed")),
                confidence_score=rng.choice((None, 0.25, 0.75)),
                claim_count=rng.choice((None, 3)),
                ai_cost=rng.choice((None, 0.5, 2.0)),
            ),
        )

    def _changed(self, event: PipelineEvent) -> PipelineEvent:
        """The event with another artifact, time, type or organisation, or some of them; sometimes with none.

        Some also tell another start of their stage, another channel and another state.
        """
        others: dict[str, Any] = {
            "artifact_id": self.random.choice((*ARTIFACTS, f"art_{uuid.UUID(int=self.random.getrandbits(128))}")),
            "timestamp": self._time(),
            "event_type": self.random.choice(TYPES),
            "organization_id": self.random.choice(ORGANIZATIONS),
        }
        names = self.random.sample(CHANGES, self.random.choice((0, 0, 1, 1, 1, 2, 4)))
        told = self._event() if self.random.random() < 0.5 else event
        return msgspec.structs.replace(
            event,
            pipeline_stage=None,
            stage_started_at=told.stage_started_at,
            new_status=told.new_status,
            metadata=told.metadata,
            **{name: others[name] for name in names},
        )

    def _time(self) -> int:
        return FIRST + self.random.randrange(HOURS * HOUR_MS)

    def _id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))


def _place(each: AcceptedEvent) -> tuple[int, int, int]:
    return each.append_time_ms, each.partition, each.offset


def answers_equal(store: Client, log: CopiedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer of the store is the reference's of the copies first in the log."""
    events = log.events
    assert differences(store, events, FIRST, NOW) == []
    _minutes_equal(store, events, monkeypatch)
    for organization in (None, "org_1"):
        own = [event for event in events if organization in {None, event.organization_id}]
        span = RangeParameters(start_time=FIRST + 1000, end_time=NOW - 1000, organization_id=organization)
        inside = [event for event in own if FIRST + 1000 <= event.timestamp <= NOW - 1000]
        distributions_equal(store, events, inside, span)
    _events_equal(store, events)
    _artifacts_equal(store, events)
    _overview_equals(store, events)


def _minutes_equal(store: Client, events: list[PipelineEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(rollups.PERIOD_MS, "hourly", MINUTE_MS)
        wanted = rollups.snapshots(events, "hourly", FIRST, NOW)
    for organization in (None, *ORGANIZATIONS[:2]):
        span = RangeParameters(start_time=FIRST, end_time=NOW - 1, organization_id=organization)
        for row in plain(minutes(store, span, NOW))["minutes"]:
            figures = wanted.get((row["periodStart"], organization), {})
            for name in row.keys() - {"periodStart"}:
                assert row[name] == pytest.approx(figures.get(name, 0)), (name, row["periodStart"], organization)


def _events_equal(store: Client, events: list[PipelineEvent]) -> None:
    found = recent_events(store, EventsParameters(limit=500), NOW).page
    assert Counter(event.event_id for event in found) == Counter(event.event_id for event in events)
    wanted = sorted(event.event_id for event in events if event.event_type in FAIL)
    errors = store.query("SELECT toString(eventId) FROM error_events FINAL").result_rows
    assert sorted(event_id for (event_id,) in errors) == wanted
    for artifact_id in {event.artifact_id for event in events if event.artifact_id}:
        own = sorted((e.timestamp, e.event_id) for e in events if e.artifact_id == artifact_id)
        shown = timeline(store, ArtifactParameters(artifact_id=artifact_id), NOW).events
        assert [(event.timestamp, event.event_id) for event in shown] == own


def states(events: list[PipelineEvent]) -> dict[str, ArtifactState]:
    """The reference's state of each artifact."""
    ids = {event.artifact_id for event in events if event.artifact_id}
    return {
        id_: fold_artifact(id_, [artifact_event(event) for event in events if event.artifact_id == id_]) for id_ in ids
    }


def _artifacts_equal(store: Client, events: list[PipelineEvent]) -> None:
    wanted = {id_: msgspec.to_builtins(state) for id_, state in states(events).items()}
    shown = msgspec.to_builtins(artifacts(store, ArtifactsParameters(limit=200), NOW).page)
    computed = ("waitingFor", "waitingSince", "elapsedMs", "stageElapsedMs")
    found = {row["artifactId"]: {name: row[name] for name in row.keys() - set(computed)} for row in shown}
    assert len(found) == len(shown)
    for row in wanted.values():
        for name in ("waitingFor", "waitingSince"):
            row.pop(name, None)
    assert found == wanted
    now_active = {id_ for id_, row in wanted.items() if row.get("status") in ACTIVE_STATUSES}
    assert {row.artifact_id for row in active(store, ActiveParameters(limit=200), NOW).page} == now_active
    now_failed = {id_ for id_, row in wanted.items() if row.get("status") == "failed"}
    assert {row.artifact_id for row in failed(store, FailedParameters(limit=200), NOW).page} == now_failed
    # Finished ones are too old there by the store's clock.
    live = {id_ for (id_,) in store.query("SELECT artifactId FROM artifacts_live").result_rows}
    assert now_active <= live <= set(wanted)


def _overview_equals(store: Client, events: list[PipelineEvent]) -> None:
    found = plain(overview(store, Parameters(), NOW))
    rows = states(events).values()
    assert found["activeArtifacts"] == sum(row.status in ACTIVE_STATUSES for row in rows)
    assert found["openDisambiguations"] == sum(row.open_disambiguations for row in rows)
    queues = Counter(row.stage for row in rows if row.status in ACTIVE_STATUSES)
    assert all(stage["queueDepth"] == queues[stage["stage"]] for stage in found["stages"])
    breakers = [event for event in events if event.event_type in BREAKERS]
    state, since = "closed", None
    if breakers:
        latest = max(breakers, key=lambda event: (event.timestamp, event.event_id))
        told = "open" if latest.event_type == BREAKERS[0] else "closed"
        state = latest.new_status if latest.new_status in {"open", "half_open", "closed"} else told
        since = latest.timestamp
    assert (found["breakerState"], found.get("breakerSince")) == (state, since)
