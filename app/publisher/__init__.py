"""What publishers import: `publish(event)` returns at once, never blocks and never raises."""

from app.publisher.asynchronous import AsyncPublisher
from app.publisher.buffer import BufferLimits, CloseReport, PublisherStats
from app.publisher.records import DropReason
from app.publisher.threaded import Publisher
from app.runtime.settings import KafkaSecurity

__all__ = [
    "AsyncPublisher",
    "BufferLimits",
    "CloseReport",
    "DropReason",
    "KafkaSecurity",
    "Publisher",
    "PublisherStats",
]
