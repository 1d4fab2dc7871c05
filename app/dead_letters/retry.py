"""Sends refused records again, each dead letter at most once.

What has been sent is told by the log itself: a record that was sent again carries its dead letter's place in a header,
so a run that was killed in the middle leaves nothing in doubt. Only one run sends at a time, and first it looks what
others have sent since it made its plan.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app.dead_letters.choice import Choice
from app.dead_letters.letters import RETRIED_FROM, Letter, Place, letters_of, retried_from
from app.domain.events import AgeLimits, Anomalies, decode_leniently
from app.domain.rejects import RejectedEvent, RejectReason
from app.domain.windows import HOUR_MS
from app.runtime.broker import application_id, connected_producer
from app.runtime.clock import Clock
from app.runtime.errors import BrokerUnavailable
from app.runtime.log_reader import LogReader, Span, log_reader
from app.runtime.settings import Settings
from app.runtime.sole_run import sole_run
from app.runtime.topics import Topics
from sinks.dead_letter import original_headers

SEND_AT_ONCE = 500
REFUSED_AGAIN = RejectReason.TIMESTAMP_TOO_OLD.value

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(slots=True)
class Plan:
    """What a retry would do; numbers are refused records, not their repeated dead letters.

    `again` counts, by reason, those of `chosen` that the present rules would refuse again now. `copies` are all dead
    letters of a chosen record, `log_ends` by partition where the look for earlier retries has ended.
    """

    chosen: list[Place] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    retried_before: int = 0
    failed_again: int = 0
    only_by_replay: int = 0
    copies: dict[Place, list[Place]] = field(default_factory=dict)
    log_ends: dict[int, int] = field(default_factory=dict)

    @property
    def too_old(self) -> int:
        """How many are past the age limit by now."""
        return self.again[REFUSED_AGAIN]


@dataclass(slots=True)
class _Group:
    """The dead letters of one record; `chosen` is the first of them that is meant."""

    since_ms: int
    places: list[Place] = field(default_factory=list)
    chosen: Place | None = None


class Retry:
    """Plans and sends; `with_failed_again` includes records that were sent again and refused again."""

    def __init__(
        self, settings: Settings, choice: Choice, clock: Clock, progress: Progress, *, with_failed_again: bool = False
    ) -> None:
        self._settings, self._choice, self._clock, self._progress = settings, choice, clock, progress
        self._with_failed_again = with_failed_again
        self._topics = Topics(settings.kafka.topic_prefix)
        ingest = settings.ingest
        self._limits = AgeLimits(ingest.max_age_hours * HOUR_MS, ingest.max_ahead_seconds * 1000)

    async def plan(self) -> Plan:
        """What there is to do now; nothing is sent. Raises BrokerUnavailable, VoicemonError."""
        plan = Plan()
        async with log_reader(self._settings.kafka) as reader:
            groups = [group for group in await self._groups(reader) if group.chosen is not None]
            if not groups:
                return plan
            sent = await self._sent(plan, min(group.since_ms for group in groups))
            by_place = {group.chosen: group for group in groups}
            async for letter in self._letters(reader):
                if letter.place in by_place:
                    self._judge(plan, letter, by_place[letter.place].places, sent)
        return plan

    async def send(self, plan: Plan) -> int:
        """How many records of the plan are in the log again, confirmed; those left out that others have sent since.

        Raises BrokerUnavailable, RunsElsewhere.
        """
        kafka, done = self._settings.kafka, 0
        try:
            async with (
                sole_run(kafka, self._topics.dead_letters, f"{application_id(kafka)}-retry"),
                log_reader(kafka) as reader,
                connected_producer(kafka) as producer,
            ):
                sent = await self._sent(plan)
                chosen = {place for place in plan.chosen if not any(str(one) in sent for one in plan.copies[place])}
                async for confirmed in self._send_all(reader, producer, chosen):
                    done += confirmed
                    self._progress("sent", done, len(chosen))
        except (KafkaError, BrokerUnavailable) as error:
            reason = error if isinstance(error, BrokerUnavailable) else type(error).__name__
            raise BrokerUnavailable(
                f"{done} of {len(plan.chosen)} records were sent, then Kafka failed ({reason}): "
                "run the command again, it sends only those that are missing"
            ) from error
        return done

    async def _send_all(
        self, reader: LogReader, producer: AIOKafkaProducer, chosen: Collection[Place]
    ) -> AsyncIterator[int]:
        """Numbers of records confirmed together."""
        waiting: list[asyncio.Future[object]] = []
        async for letter in self._letters(reader):
            if letter.place not in chosen:
                continue
            waiting.append(await producer.send(self._topics.events, **_record(letter)))
            if len(waiting) >= SEND_AT_ONCE:
                yield len(await asyncio.gather(*waiting))
                waiting = []
        yield len(await asyncio.gather(*waiting))

    async def _groups(self, reader: LogReader) -> Collection[_Group]:
        """All dead letters by their record; whichever of them was sent again, the record was."""
        groups: dict[tuple[Place, int], _Group] = {}
        async for letter in self._letters(reader):
            group = groups.setdefault(letter.identity, _Group(letter.record.timestamp))
            group.places.append(letter.place)
            if group.chosen is None and self._choice.has(letter):
                group.chosen = letter.place
        return groups.values()

    async def _letters(self, reader: LogReader) -> AsyncIterator[Letter]:
        for span in await reader.spans(self._topics.dead_letters):
            async for records in reader.batches(span):
                for letter in letters_of(records, self._topics.events):
                    yield letter

    async def _sent(self, plan: Plan, since_ms: int | None = None) -> set[str]:
        """Dead letters that records of the log were sent again from: since a time, else since the last look."""
        sent: set[str] = set()
        # A reader of its own: one that has read a topic knows the partitions of no other.
        async with log_reader(self._settings.kafka) as reader:
            for found in await reader.spans(self._topics.events, since_ms):
                start = max(found.start, plan.log_ends.get(found.tp.partition, found.start))
                span = Span(found.tp, found.begin, start, found.end)
                plan.log_ends[found.tp.partition] = found.end
                async for records in reader.batches(span):
                    done, total = records[-1].offset + 1 - span.start, span.end - span.start
                    self._progress(f"looked for earlier retries in partition {span.tp.partition}", done, total)
                    sent |= {place for record in records if (place := retried_from(record.headers)) is not None}
        return sent

    def _judge(self, plan: Plan, letter: Letter, copies: list[Place], sent: set[str]) -> None:
        if any(str(place) in sent for place in copies):
            plan.retried_before += 1
        elif letter.is_truncated:
            plan.truncated += 1
        elif letter.is_stored_only_by_replay:
            plan.only_by_replay += 1
        elif letter.retried_from is not None and not self._with_failed_again:
            plan.failed_again += 1
        else:
            plan.chosen.append(letter.place)
            plan.copies[letter.place] = copies
            try:
                decode_leniently(letter.record.value, self._clock.now_ms(), self._limits, Anomalies())
            except RejectedEvent as rejected:
                plan.again[rejected.reason.value] += 1


def _record(letter: Letter) -> dict[str, object]:
    """Key, value and headers as they were, in the partition where its copies would be known as such."""
    headers = [(name, value) for name, value in original_headers(letter.record.headers) if name != RETRIED_FROM]
    return {
        "value": letter.record.value,
        "key": letter.record.key,
        "headers": [*headers, (RETRIED_FROM, str(letter.place).encode())],
        "partition": letter.source.partition,
    }
