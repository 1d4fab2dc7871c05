"""What publishers import: `publish(event)` returns at once, never blocks and never raises."""

from app.publisher.asynchronous import AsyncPublisher
from app.publisher.buffer import BufferLimits, CloseReport, PublisherStats
from app.publisher.records import DropReason
from app.publisher.threaded import Publisher

__all__ = ["AsyncPublisher", "BufferLimits", "CloseReport", "DropReason", "Publisher", "PublisherStats"]
