"""Publishes lines with back-pressure: here, unlike in a pipeline, nothing may be dropped because the broker is slow."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.publisher.lines import BadLine, Line, PlainEvent, RecordedRecord, read_lines
from app.publisher.threaded import Publisher
from app.publisher.topic import TopicFacts
from app.runtime.errors import VoicemonError

WAIT_SECONDS = 0.005


@dataclass(slots=True)
class FileTally:
    """What became of the lines so far."""

    lines: int = 0
    events: int = 0
    recorded: int = 0
    bad: int = 0


@dataclass(slots=True)
class LinePublisher:
    """Sends lines at a rate (events a second, None: as fast as the broker takes them).

    `on_bad` is told of each line that is no JSON object, `on_line` the size in bytes of each line done.
    """

    publisher: Publisher
    topic: str
    facts: TopicFacts
    rate: float | None = None
    patience_seconds: float = 30.0
    on_bad: Callable[[str, BadLine], None] = lambda _name, _line: None
    on_line: Callable[[int], None] = lambda _size: None
    tally: FileTally = field(default_factory=FileTally)
    _began: float = field(default_factory=time.monotonic)

    def publish(self, name: str, lines: Iterable[bytes]) -> None:
        """Send all lines of one file, in order.

        Raises VoicemonError for recorded records where the topic replaces their timestamps, and if the broker takes
        nothing for `patience_seconds`.
        """
        for size, line in read_lines(lines):
            self.tally.lines += 1
            self._send(name, line)
            self.on_line(size)

    def _send(self, name: str, line: Line) -> None:
        if isinstance(line, BadLine):
            self.tally.bad += 1
            self.on_bad(name, line)
            return
        self._keep_rate()
        self._await_room()
        if isinstance(line, PlainEvent):
            self.publisher.publish(line.event)
            self.tally.events += 1
        else:
            self._send_recorded(line)

    def _send_recorded(self, line: RecordedRecord) -> None:
        if self.facts.timestamp_type != "CreateTime":
            raise VoicemonError(
                f"Recorded records keep their timestamps only in a topic with message.timestamp.type=CreateTime, and "
                f"{self.topic} has {self.facts.timestamp_type}: let a worker create another one with "
                "VOICEMON_KAFKA_TIMESTAMP_TYPE=CreateTime and its own --topic-prefix."
            )
        self.publisher.publish_record(line.key, line.value, line.timestamp_ms)
        self.tally.recorded += 1

    def _keep_rate(self) -> None:
        if self.rate is None:
            return
        due = self._began + (self.tally.events + self.tally.recorded) / self.rate
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(max(wait, WAIT_SECONDS))

    def _await_room(self) -> None:
        """Wait while the buffer is half full; gives up when nothing moves."""
        if not self.publisher.is_half_full:
            return
        delivered, deadline = -1, 0.0
        while self.publisher.is_half_full:
            now_delivered = self.publisher.stats.delivered
            if now_delivered != delivered:
                delivered, deadline = now_delivered, time.monotonic() + self.patience_seconds
            elif time.monotonic() > deadline:
                raise VoicemonError(
                    f"Kafka has taken nothing for {self.patience_seconds:.0f} s: look at the broker with "
                    "`voicemon stack status` and publish again from the line after the last one delivered."
                )
            time.sleep(WAIT_SECONDS)
