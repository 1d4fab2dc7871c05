"""Records of a log as the client's decoder makes them, without the copy that it wraps each one in for its callers."""

from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult


def read_raw(consumer: AIOKafkaConsumer, topics: Collection[str]) -> None:
    """From now on the consumer gives raw records of these topics; call it before the first one is read.

    A raw record has offset, timestamp, key, value and headers, but neither topic nor partition. The copies cost a
    tenth of the time in which an event is read and counted.
    """
    fetcher = consumer._fetcher
    fetch = fetcher._proc_fetch_request

    async def fetched(*arguments: Any) -> Any:
        answer = await fetch(*arguments)
        for tp, result in fetcher._records.items():
            if tp.topic in topics and isinstance(result, FetchResult) and result.has_more():
                result._partition_records._consumer_record = _as_it_is
        return answer

    fetcher._proc_fetch_request = fetched


def _as_it_is(_tp: Any, record: Any) -> Any:
    return record
