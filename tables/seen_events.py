"""Duplicate filter: which event ids have been accepted, per source partition, first in log order wins.

Ids are kept whole (128 bits) in blocks of log order; a block's changelog record is rewritten while it grows. Each id
keeps the offset of the record that carried it first: reading that record again is a replay, not a duplicate.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson
import structlog

from app.runtime.state_table import RecordPair, StateTable

log = structlog.get_logger(__name__)

BLOCK_IDS = 1024
ID_BYTES = 16


class BlockRecord(msgspec.Struct, array_like=True):
    """Changelog value of a block: greatest append time; offsets as uint64 and ids of 16 bytes, in log order."""

    append_ms: int
    offsets: bytes
    ids: bytes


class Block:
    """Accepted ids of a stretch of the log, in log order."""

    __slots__ = ("append_ms", "ids", "offsets")

    def __init__(self) -> None:
        self.append_ms = 0
        self.offsets = array("Q")
        self.ids: list[int] = []

    def encoded(self) -> bytes:
        """The changelog value."""
        ids = b"".join([key.to_bytes(ID_BYTES, "big") for key in self.ids])
        return msgspec.msgpack.encode(BlockRecord(self.append_ms, self.offsets.tobytes(), ids))

    @classmethod
    def decoded(cls, value: bytes) -> "Block":
        """The block of a changelog value."""
        record = msgspec.msgpack.decode(value, type=BlockRecord)
        block = cls()
        block.append_ms = record.append_ms
        block.offsets = array("Q", record.offsets)
        ids = record.ids
        block.ids = [int.from_bytes(ids[at : at + ID_BYTES], "big") for at in range(0, len(ids), ID_BYTES)]
        return block


class PartitionSeen:
    """Ids accepted from one source partition.

    `covered` is the offset of the newest remembered id: up to it `was_first` tells what was decided, beyond it a
    record is a duplicate exactly if its id is in `ids`.
    """

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.covered = -1
        self._blocks: deque[Block] = deque()
        self._changed: dict[int, Block | None] = {}
        self._first_offsets: set[int] = set()
        self._first_from: int | None = None

    def was_first(self, offset: int) -> bool:
        """True if the record at an offset up to `covered` was accepted; asked again while a log is replayed."""
        if self._first_from is None or offset < self._first_from:
            self._first_from = offset
            recent = [block.offsets for block in self._blocks if block.offsets[-1] >= offset]
            self._first_offsets = {at for offsets in recent for at in offsets}
        return offset in self._first_offsets

    def remember(self, keys: Sequence[int], offsets: Sequence[int], append_ms: int) -> None:
        """Keep accepted ids, whose `ids` entries the caller has made, with the offsets that carried them first."""
        self._first_from = None
        for start in range(0, len(keys), BLOCK_IDS):
            block = self._open_block()
            block.ids.extend(keys[start : start + BLOCK_IDS])
            block.offsets.extend(offsets[start : start + BLOCK_IDS])
            block.append_ms = max(block.append_ms, append_ms)
            self._changed[block.offsets[0]] = block
        if offsets:
            self.covered = offsets[-1]

    def _open_block(self) -> Block:
        if not self._blocks or len(self._blocks[-1].ids) >= BLOCK_IDS:
            self._blocks.append(Block())
        return self._blocks[-1]

    def trim(self, before_append_ms: int) -> int:
        """Forget blocks appended wholly before a time; the number of ids forgotten."""
        forgotten = 0
        while self.has_block_before(before_append_ms):
            forgotten += self.drop_oldest()
        return forgotten

    def has_block_before(self, append_ms: int) -> bool:
        """True if the oldest block was appended wholly before a time."""
        return bool(self._blocks) and self._blocks[0].append_ms < append_ms

    def drop_oldest(self) -> int:
        """Forget the oldest block; the number of its ids."""
        block = self._blocks.popleft()
        self.ids.difference_update(block.ids)
        self._changed[block.offsets[0]] = None
        self._first_from = None
        return len(block.ids)

    def take_changes(self, partition: int) -> list[RecordPair]:
        """Changelog records of blocks that changed since the last call."""
        changes = [
            (orjson.dumps([partition, first]), None if block is None else block.encoded())
            for first, block in self._changed.items()
        ]
        self._changed = {}
        return changes

    def start_anew(self) -> None:
        """Forget everything: the log itself is another one."""
        while self._blocks:
            self.drop_oldest()
        self.covered = -1

    def log_all(self) -> None:
        """Log every block again at the next flush."""
        self._changed |= {block.offsets[0]: block for block in self._blocks}

    def restore(self, blocks: Iterable[Block]) -> None:
        """Take over all blocks of the changelog."""
        self._blocks = deque(sorted(blocks, key=lambda block: block.offsets[0]))
        for block in self._blocks:
            self.ids.update(block.ids)
        if self._blocks:
            self.covered = self._blocks[-1].offsets[-1]


class SeenEventsTable(StateTable):
    """The Faust table `seen-events`: one `PartitionSeen` for each source partition that this worker owns."""

    def __init__(self, app: Any, *, horizon_ms: int, maximum: int, **options: Any) -> None:
        super().__init__(app, name="seen-events", help="Accepted event ids in log order", **options)
        self._horizon_ms = horizon_ms
        self._maximum = maximum
        self._partitions: dict[int, PartitionSeen] = {}

    def partition(self, partition: int) -> PartitionSeen:
        """The state of a source partition."""
        state = self._partitions.get(partition)
        if state is None:
            state = self._partitions[partition] = PartitionSeen()
        return state

    def take_changes(self, partition: int) -> Sequence[RecordPair]:
        """Changed and forgotten blocks of a partition."""
        return self.partition(partition).take_changes(partition)

    async def restore(self, partitions: set[int]) -> None:
        """Read the blocks of newly assigned partitions."""
        blocks: dict[int, dict[bytes, Block]] = {partition: {} for partition in partitions}
        async for partition, key, value in self.read_changelog(partitions):
            if value is None:
                blocks[partition].pop(key, None)
            else:
                blocks[partition][key] = Block.decoded(value)
        for partition, found in blocks.items():
            state = self._partitions[partition] = PartitionSeen()
            state.restore(found.values())

    def purge(self, partition: int) -> None:
        """Forget a partition."""
        self._partitions.pop(partition, None)

    def log_all(self, partition: int) -> None:
        """Log every block of a partition again at the next flush."""
        self.partition(partition).log_all()

    def trim(self, partition: int, committed_append_ms: int) -> None:
        """Forget ids that no acceptable record can repeat any more, and the oldest beyond the size bound.

        Ids of records that are not committed stay whatever the bound: a replay without them would take the first
        record of an id for a copy.
        """
        state = self.partition(partition)
        state.trim(committed_append_ms - self._horizon_ms)
        excess, forgotten = len(self) - self._maximum, 0
        while forgotten < excess and len(state.ids) > BLOCK_IDS and state.has_block_before(committed_append_ms):
            forgotten += state.drop_oldest()
        if forgotten:
            log.warning("Duplicate filter is full: its horizon is cut", partition=partition, forgotten=forgotten)

    def __len__(self) -> int:
        return sum(len(state.ids) for state in self._partitions.values())
