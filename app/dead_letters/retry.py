"""Sends refused records again, byte for byte, each once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app.dead_letters.letters import RETRIED_FROM, RETRY_DONE, Letter
from app.domain.windows import HOUR_MS
from app.runtime.broker import DEAD_LETTER_ALLOWANCE
from app.runtime.errors import BrokerUnavailable
from app.runtime.log_reader import LogReader
from app.runtime.settings import Settings
from app.runtime.topics import Topics
from sinks.dead_letter import original_headers

BATCH = 200
TRANSACTION_MS = 60_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a retry would do with the chosen letters.

    `too_old` of those to be sent are past the age at which events are refused: they would come back. Of the others
    `done` were sent again before, `failed_again` were refused after that, `cut` had no room in a dead letter.
    """

    send: Sequence[Letter]
    too_old: int
    done: int
    failed_again: int
    cut: int


def plan_retry(letters: Sequence[Letter], settings: Settings, now_ms: int, *, again: bool) -> Plan:
    """Which letters are sent: none twice, no cut one, and one that has failed again only with `again`."""
    done = [letter for letter in letters if letter.is_retried]
    rest = [letter for letter in letters if not letter.is_retried]
    cut = [letter for letter in rest if letter.is_cut]
    failed = [letter for letter in rest if letter.is_retry and not letter.is_cut and not again]
    send = [letter for letter in rest if not letter.is_cut and (again or not letter.is_retry)]
    oldest_ms = now_ms - settings.ingest.max_age_hours * HOUR_MS
    too_old = sum(letter.event_ms is not None and letter.event_ms < oldest_ms for letter in send)
    return Plan(send, too_old, len(done), len(failed), len(cut))


async def retry(reader: LogReader, settings: Settings, letters: Sequence[Letter], say: Callable[[int], None]) -> int:
    """Send the records of the letters to `voice-events` again, into their old partitions; how many.

    Each is sent in one transaction with a note that it was, so that neither a crash nor a second run sends it twice.
    Raises BrokerUnavailable if Kafka does not answer.
    """
    producer, sent = _producer(settings), 0
    try:
        await producer.start()
        for at in range(0, len(letters), BATCH):
            sent += await _send(producer, reader, settings, letters[at : at + BATCH])
            say(sent)
    except (KafkaError, ConnectionError) as error:
        raise BrokerUnavailable.at(settings.kafka.bootstrap, error) from error
    finally:
        await producer.stop()
    return sent


def _producer(settings: Settings) -> AIOKafkaProducer:
    kafka = settings.kafka
    return AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap,
        client_id="voicemon-retry",
        transactional_id=f"{kafka.topic_prefix}{kafka.group}-retry",
        transaction_timeout_ms=TRANSACTION_MS,
        compression_type="zstd",
        max_request_size=kafka.max_message_bytes + DEAD_LETTER_ALLOWANCE,
    )


async def _send(producer: AIOKafkaProducer, reader: LogReader, settings: Settings, batch: Sequence[Letter]) -> int:
    topics = Topics(settings.kafka.topic_prefix)
    records = [(letter.source, await reader.record(topics.dead_letters, *letter.place)) for letter in batch]
    async with producer.transaction():
        for source, record in records:
            mark = str(source).encode()
            kept = [header for header in original_headers(record.headers) if header[0] != RETRIED_FROM]
            headers = [*kept, (RETRIED_FROM, mark)]
            await producer.send(topics.events, record.value, record.key, partition=source.partition, headers=headers)
            await producer.send(topics.dead_letters, None, record.key, headers=[(RETRY_DONE, mark)])
    return len(records)
