"""Logging in to a broker that wants TLS, a user or a certificate, and rights that the user lacks."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from app.checks.kafka import check_kafka
from app.publisher import AsyncPublisher, Publisher
from app.publisher.topic import require_topic
from app.replay.question import Question
from app.replay.run import Replay
from app.runtime.broker import application_id, prepare_topics
from app.runtime.clock import SystemClock
from app.runtime.errors import BrokerUnavailable, VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.kafka_rights import Needs, missing_rights
from app.runtime.log_position import group_lag
from app.runtime.log_reader import log_reader
from app.runtime.settings import ClickHouseSettings, KafkaSettings
from app.runtime.sole_run import RunsElsewhere, sole_run
from app.runtime.topics import Topics
from sinks.memory import MemorySink
from tests.secured_kafka import CREATE, DESCRIBE, GROUP, READ, TOPIC, WRITE, SecuredKafka, running_secured_kafka
from tests.workers import eventually, worker_process, worker_settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with running_secured_kafka(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


def event(number: int) -> dict[str, object]:
    return {"eventType": "artifact_received", "artifactId": f"art_{number}", "timestamp": int(time.time() * 1000)}


async def test_a_worker_and_publishers_log_in_with_scram_over_tls(kafka: SecuredKafka, tmp_path: Path) -> None:
    login = kafka.login("SCRAM-SHA-512")
    proof = {name: value for name, value in login.model_dump().items() if name != "topic_prefix"}
    settings = worker_settings(kafka.sasl, ClickHouseSettings(), "scram_", kafka=proof, ingest={"store_rows": False})
    with worker_process(settings, tmp_path) as worker:
        await worker.until_ready()
        with Publisher(kafka.sasl, "scram_", security=login) as publisher:
            publisher.publish(event(1))
        async with AsyncPublisher(kafka.sasl, "scram_", security=login) as publisher:
            publisher.publish(event(2))

        async def counted() -> bool:
            _, figures = await worker.ask("/api/v1/metrics/realtime")
            return bool(figures["artifactsReceived1h"] == 2)

        await eventually(counted, "both events are counted")
        assert worker.end() == 0, worker.log.read_text()[-3000:]
    async with sole_run(settings.kafka, Topics("scram_").dead_letters, "scram_retry"):
        with pytest.raises(RunsElsewhere):
            async with sole_run(settings.kafka, Topics("scram_").dead_letters, "scram_retry"):
                pytest.fail("two are inside")
    assert "open-sesame" not in worker.log.read_text()
    prefixed = login.model_copy(update={"topic_prefix": "scram_"})
    assert sum(end for _, end in (await group_lag(prefixed)).values()) == 2
    async with log_reader(prefixed) as reader:
        assert sum(span.end - span.start for span in await reader.spans("scram_voice-events")) == 2
    replay = Replay(settings, Question(from_ms=0), MemorySink(), SystemClock(), lambda *_: None)
    await asyncio.wait_for(replay.run(), 30)
    assert replay.result.rows == 2


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_other_mechanisms_let_the_client_in(kafka: SecuredKafka, mechanism: str) -> None:
    login = kafka.login(mechanism, topic_prefix=f"{mechanism}_")
    assert await prepare_topics(login, ()) == 4


async def test_a_client_certificate_lets_the_client_in(kafka: SecuredKafka) -> None:
    assert await prepare_topics(kafka.certified().model_copy(update={"topic_prefix": "certified_"}), ()) == 4


async def failure(settings: KafkaSettings) -> str:
    with pytest.raises(BrokerUnavailable) as caught:
        await prepare_topics(settings, ())
    assert "wrong-password" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_said_to_be_wrong(kafka: SecuredKafka, mechanism: str) -> None:
    told = await failure(kafka.login(mechanism, password=SecretStr("wrong-password")))
    assert told.startswith(f"Kafka at {kafka.sasl} refuses user 'monitor': correct VOICEMON_KAFKA_USER")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tls_ca_file": None}, "has a certificate that is not trusted (unable to get local issuer certificate)"),
        ({"security_protocol": "SASL_PLAINTEXT"}, "closes the connection, as brokers do that want another protocol"),
        ({"security_protocol": "PLAINTEXT"}, "closes the connection, as brokers do that want TLS or a login"),
    ],
)
async def test_a_wrong_way_to_connect_is_named(kafka: SecuredKafka, changes: dict[str, Any], text: str) -> None:
    assert text in await failure(kafka.login(**changes))


async def test_a_missing_client_certificate_is_asked_for(kafka: SecuredKafka) -> None:
    told = await failure(kafka.certified().model_copy(update={"tls_certificate_file": None, "tls_key_file": None}))
    assert "another protocol or a client certificate" in told


def test_a_publisher_command_says_why_too(kafka: SecuredKafka) -> None:
    login = kafka.login(password=SecretStr("wrong-password"))
    with pytest.raises(VoicemonError, match="refuses user 'monitor'"):
        require_topic(login.bootstrap, login, "voice-events")


async def test_each_missing_right_is_named_and_a_granted_one_is_not(kafka: SecuredKafka) -> None:
    limited = kafka.login(user="limited", topic_prefix="rights_")
    topics = Topics("rights_")
    with pytest.raises(VoicemonError) as caught:
        await prepare_topics(limited, ())
    assert str(caught.value) == (
        "Kafka does not let user 'limited' read topic rights_voice-events; "
        "write topic rights_voice-events-dead-letter; read group rights_voice-pipeline-monitor: grant these rights"
    )
    await kafka.allow(GROUP, application_id(limited), READ)
    await kafka.allow(TOPIC, topics.events, READ)
    await kafka.allow(TOPIC, topics.dead_letters, WRITE)
    with pytest.raises(VoicemonError, match="cannot be created"):
        await prepare_topics(limited, ())
    for topic in (topics.events, topics.dead_letters, topics.organizations, topics.alerts):
        await kafka.allow(TOPIC, topic, CREATE, DESCRIBE)
    assert await prepare_topics(limited, ()) == 4


async def test_asking_for_rights_writes_nothing(kafka: SecuredKafka) -> None:
    login = kafka.login(topic_prefix="asked_")
    await prepare_topics(login, ())
    admin = AIOKafkaAdminClient(**client_options(login))
    await admin.start()
    try:
        needs = Needs(frozenset({"asked_voice-events"}), frozenset({"asked_voice-events"}), "somebody")
        assert await missing_rights(admin, needs) == []
        assert await admin.list_consumer_groups() is not None
    finally:
        await admin.close()
    assert {end for _, end in (await group_lag(login)).values()} == {0}


async def test_the_check_of_the_settings_says_the_same(kafka: SecuredKafka) -> None:
    assert [finding.problem for finding in await check_kafka(kafka.login())] == ["", ""]
    wrong = await check_kafka(kafka.login(password=SecretStr("wrong-password")))
    assert [finding.problem.partition(": ")[0] for finding in wrong] == [
        f"Kafka at {kafka.sasl} refuses user 'monitor'"
    ]
    limited = await check_kafka(kafka.login(user="limited", topic_prefix="checked_"))
    assert "write topic checked_voice-events-dead-letter" in limited[1].problem
    [missing] = await check_kafka(kafka.login(password_file=Path("/nowhere")))
    assert missing.problem.startswith("VOICEMON_KAFKA_PASSWORD_FILE names /nowhere, which cannot be read")
