"""Whether the brokers let a worker in and do what it needs."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from app.checks.finding import Finding
from app.main import TABLES
from app.runtime.broker import worker_needs
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import client_options
from app.runtime.kafka_errors import broker_error, missing_rights_sentence, quiet_client
from app.runtime.kafka_rights import missing_rights
from app.runtime.settings import KafkaSettings

PART = "kafka"
ANSWER_MS = 5_000


async def check_kafka(settings: KafkaSettings) -> list[Finding]:
    """What there is to say about connection, login and rights; the rights only once the login works."""
    try:
        options = client_options(settings)
    except VoicemonError as error:
        return [Finding(PART, "settings", str(error))]
    admin = AIOKafkaAdminClient(**options, client_id="voicemon-check", request_timeout_ms=ANSWER_MS)
    login = f"connect to {settings.bootstrap}"
    try:
        with quiet_client():
            await admin.start()
            missing = await missing_rights(admin, worker_needs(settings, TABLES))
    except (KafkaError, OSError, IncompatibleBrokerVersion) as error:
        return [Finding(PART, login, str(await broker_error(settings, error)))]
    finally:
        await admin.close()
    return [
        Finding(PART, login),
        Finding(PART, "rights on topics and group", missing_rights_sentence(missing, settings)),
    ]
