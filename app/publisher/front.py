"""What both publishers do in the caller's thread: encode, count, put into the buffer."""

from collections.abc import Callable
from dataclasses import dataclass

from app.publisher.buffer import Buffer, BufferLimits, CloseReport, PublisherStats
from app.publisher.records import DropReason, Record, Unpublishable, encode_event
from app.publisher.reports import Reports
from app.publisher.sender import Sender
from app.publisher.transport import KafkaTransport, Transport
from app.runtime.clock import Clock, SystemClock
from app.runtime.settings import KafkaSecurity
from app.runtime.topics import Topics


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the log is, and how to prove who one is there."""

    bootstrap: str
    topic_prefix: str
    security: KafkaSecurity


class Front:
    """The buffer and everything before it."""

    def __init__(self, topic: str, limits: BufferLimits, clock: Clock, new_transport: Callable[[], Transport]) -> None:
        self._buffer = Buffer(limits)
        self._clock = clock
        self._new_transport = new_transport
        self._reports = Reports(topic)

    @classmethod
    def create(
        cls,
        broker: Broker,
        limits: BufferLimits | None,
        clock: Clock | None,
        new_transport: Callable[[], Transport] | None,
    ) -> "Front":
        """A front with the usual parts where none are given."""
        topic = Topics(broker.topic_prefix).events
        transport = new_transport or (lambda: KafkaTransport(broker.bootstrap, topic, broker.security))
        return cls(topic, limits or BufferLimits(), clock or SystemClock(), transport)

    def new_sender(self) -> Sender:
        """A sender for the buffer."""
        return Sender(self._buffer, self._new_transport, self._reports)

    def publish(self, event: object, wake: Callable[[], None]) -> bool:
        """Whether the event went into the buffer; raises nothing."""
        try:
            record = encode_event(event, self._clock.now_ms())
        except Unpublishable as error:
            self._refuse(error.reason, str(error))
        # The caller's pipeline must never fail because of its monitor, whatever a foreign mapping does when read.
        except Exception as error:  # noqa: BLE001
            self._refuse(DropReason.NOT_SERIALIZABLE, type(error).__name__)
        else:
            return self._put(record, wake)
        return False

    def publish_record(
        self, key: bytes | None, value: bytes | None, timestamp_ms: int, wake: Callable[[], None]
    ) -> bool:
        """Whether the record went into the buffer."""
        return self._put(Record(key=key, value=value, timestamp_ms=timestamp_ms), wake)

    def _put(self, record: Record, wake: Callable[[], None]) -> bool:
        reason, must_wake = self._buffer.offer(record)
        if reason is not None:
            self._reports.event_dropped(reason)
            return False
        if must_wake:
            try:
                wake()
            # No loop is running yet, or there are no threads or file descriptors left: the next event tries again.
            except (RuntimeError, OSError):
                self._buffer.ask_for_wake()
        return True

    def _refuse(self, reason: DropReason, detail: str) -> None:
        self._buffer.refuse(reason)
        self._reports.event_dropped(reason, detail)

    @property
    def stats(self) -> PublisherStats:
        """The buffer's numbers."""
        return self._buffer.stats()

    @property
    def is_half_full(self) -> bool:
        """Whether half of the buffer is used."""
        return self._buffer.is_half_full

    def refuse_more(self) -> None:
        """Take no further events."""
        self._buffer.close()

    def abandon(self) -> CloseReport:
        """Give up what is still in the buffer, and report."""
        report = self._buffer.abandon()
        if report.undelivered:
            self._reports.events_lost(report)
        return report
