"""Which rights the user lacks on topics and group, asked in a way that changes nothing.

A broker checks rights before it looks at a request's content, so each question names a partition or a member that
does not exist: the answer is either "not authorized" or "no such thing".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

NO_PARTITION = 2**31 - 2
WAIT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Needs:
    """What a client has to be allowed."""

    reads: frozenset[str]
    writes: frozenset[str]
    group: str


async def missing_rights(admin: AIOKafkaAdminClient, needs: Needs) -> list[str]:
    """What the user may not do, each as `read topic x`; topics that do not exist yet are judged like others.

    Raises KafkaError or OSError if Kafka does not answer.
    """
    unread = await _denied(admin, _fetch(sorted(needs.reads))) if needs.reads else set()
    unwritten = await _denied(admin, _produce(sorted(needs.writes))) if needs.writes else set()
    missing = [f"read topic {name}" for name in sorted(unread)] + [f"write topic {name}" for name in sorted(unwritten)]
    return missing + ([] if await _may_join(admin, needs.group) else [f"read group {needs.group}"])


def _fetch(topics: Iterable[str]) -> FetchRequest:
    return FetchRequest(0, 0, 1, 0, [(topic, [(NO_PARTITION, 0, 1)]) for topic in topics])


def _produce(topics: Iterable[str]) -> ProduceRequest:
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 16_384)
    batch.append(0, None, None, b"", [])
    data = bytes(batch.build())
    return ProduceRequest(None, -1, WAIT_MS, [(topic, [(NO_PARTITION, data)]) for topic in topics])


async def _denied(admin: AIOKafkaAdminClient, request: FetchRequest | ProduceRequest) -> set[str]:
    answer: Any = await admin._send_request(request)
    return {
        topic
        for topic, partitions in answer.topics
        for partition in partitions
        if partition[1] == TopicAuthorizationFailedError.errno
    }


async def _may_join(admin: AIOKafkaAdminClient, group: str) -> bool:
    answer: Any = await admin._send_request(HeartbeatRequest(group, 0, "nobody"))
    return bool(answer.error_code != GroupAuthorizationFailedError.errno)
