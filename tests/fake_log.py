"""A log in memory that a publisher's sender can write to, with faults on demand."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.publisher.records import DropReason, Record
from app.publisher.transport import RecordsRefused, TransportFailed


@dataclass
class FakeLog:
    """`absent` connections fail before one works; `failing` batches fail, after that all are taken.

    Records of the keys in `refused_keys` are blamed. While `hangs` is set nothing is acknowledged.
    """

    partitions: int = 3
    absent: int = 0
    failing: int = 0
    loses_acknowledgements: int = 0
    refused_keys: frozenset[bytes] = frozenset()
    hangs: threading.Event = field(default_factory=threading.Event)
    records: dict[int, list[Record]] = field(default_factory=dict)
    attempts: int = 0

    def transport(self) -> "FakeTransport":
        return FakeTransport(self)

    def all_records(self) -> list[Record]:
        return [record for partition in sorted(self.records) for record in self.records[partition]]

    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(record.value or b"null") for record in self.all_records()]


class FakeTransport:
    def __init__(self, log: FakeLog) -> None:
        self._log = log

    async def open(self) -> None:
        self._log.attempts += 1
        if self._log.absent > 0:
            self._log.absent -= 1
            raise TransportFailed("nobody there")

    async def partitions(self) -> int:
        return self._log.partitions

    async def send(self, partition: int, records: Sequence[Record]) -> None:
        while self._log.hangs.is_set():  # noqa: ASYNC110  (set from another thread)
            await asyncio.sleep(0.005)
        if self._log.failing > 0:
            self._log.failing -= 1
            raise TransportFailed("connection lost")
        if any(record.key in self._log.refused_keys for record in records):
            raise RecordsRefused("too large", DropReason.TOO_LARGE)
        self._log.records.setdefault(partition, []).extend(records)
        if self._log.loses_acknowledgements > 0:
            self._log.loses_acknowledgements -= 1
            raise TransportFailed("no answer")

    async def close(self) -> None:
        return None


def wait_until(is_true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
