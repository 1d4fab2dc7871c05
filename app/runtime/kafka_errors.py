"""Why the brokers do not let a client in, as one sentence that says what to do.

The client itself only says that it could not bootstrap, so that a wrong password looks like a broker that is away.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from app.runtime.errors import BrokerUnavailable, VoicemonError
from app.runtime.kafka_access import security_options
from app.runtime.settings import KafkaSecurity, KafkaSettings

PROBE_SECONDS = 5.0
REFUSED_LOGIN = (AuthenticationFailedError, SaslAuthenticationFailed)
NO_RIGHT = (TopicAuthorizationFailedError, GroupAuthorizationFailedError)


async def broker_error(settings: KafkaSettings, error: Exception) -> BrokerUnavailable:
    """The sentence for what a client raised, after the brokers have been asked once more why."""
    told = missing_right(error, settings) or await refusal(settings.bootstrap, settings)
    return BrokerUnavailable(told) if told else BrokerUnavailable.at(settings.bootstrap, error)


def missing_right(error: BaseException, security: KafkaSecurity) -> str:
    """The sentence for a right that the user lacks; empty if the error is another one."""
    if not isinstance(error, NO_RIGHT):
        return ""
    kind = "topic" if isinstance(error, TopicAuthorizationFailedError) else "group"
    names = error.args[0] if error.args else ""
    listed = ", ".join(sorted(map(str, names))) if isinstance(names, set | frozenset | list | tuple) else str(names)
    return (
        f"Kafka does not let {user_of(security)} use {kind} {listed}: grant it the rights that "
        "'voicemon config check' lists"
    )


def user_of(security: KafkaSecurity) -> str:
    """Who a client is to the brokers, in words."""
    if security.security_protocol.startswith("SASL"):
        return f"user {security.user!r}"
    return "this client's certificate" if security.tls_certificate_file else "an anonymous client"


async def refusal(bootstrap: str, security: KafkaSecurity) -> str:
    """What is wrong if no broker lets a client in although one answers; empty if that is not so.

    Raises VoicemonError if the settings cannot work.
    """
    errors = [await _try(host, port, security) for host, port, _ in collect_hosts(bootstrap)]
    if None in errors:
        return ""
    at = _Probe(bootstrap, security)
    # A broker that refuses says more than one that is away.
    return next((told for error in errors if error is not None and (told := at.sentence(error))), "")


async def _try(host: str, port: int, security: KafkaSecurity) -> Exception | None:
    """Why a broker does not let a client in; None if it does."""
    options = security_options(security)
    try:
        with quiet_client():
            async with asyncio.timeout(PROBE_SECONDS):
                connection = await create_conn(
                    host, port, client_id="voicemon-probe", request_timeout_ms=int(PROBE_SECONDS * 1000), **options
                )
                try:
                    # A broker that wants a login closes the connection of a client that asks without one.
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
    except (KafkaError, OSError, TimeoutError) as error:
        return error
    return None


@contextmanager
def quiet_client() -> Iterator[None]:
    """The library would log what is raised as an error anyway."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@dataclass(frozen=True, slots=True)
class _Probe:
    """Turns what one attempt raised into a sentence."""

    bootstrap: str
    security: KafkaSecurity

    def sentence(self, error: Exception) -> str:
        """Empty for a broker that simply is not there."""
        if isinstance(error, REFUSED_LOGIN):
            return (
                f"Kafka at {self.bootstrap} refuses {user_of(self.security)}: correct VOICEMON_KAFKA_USER and "
                "VOICEMON_KAFKA_PASSWORD or VOICEMON_KAFKA_PASSWORD_FILE, or VOICEMON_KAFKA_SASL_MECHANISM"
            )
        if isinstance(error, UnsupportedSaslMechanismError):
            return (
                f"Kafka at {self.bootstrap} does not offer the SASL mechanism {self.security.sasl_mechanism}: "
                "set VOICEMON_KAFKA_SASL_MECHANISM to one that it offers"
            )
        if isinstance(error, ssl.SSLError):
            return self._tls(error)
        if isinstance(error, KafkaError | ConnectionResetError):
            return self._wrong_protocol()
        return ""

    def _tls(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"Kafka at {self.bootstrap} has a certificate that is not trusted ({error.verify_message.strip('.')}): "
                "set VOICEMON_KAFKA_TLS_CA_FILE to the certificate of its authority, and use the host name that the "
                "certificate is made for"
            )
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if "certificate" in reason:
            return (
                f"Kafka at {self.bootstrap} wants a client certificate that it trusts ({reason}): set "
                "VOICEMON_KAFKA_TLS_CERTIFICATE_FILE and VOICEMON_KAFKA_TLS_KEY_FILE"
            )
        return (
            f"Kafka at {self.bootstrap} does not speak TLS as expected ({reason}): correct "
            "VOICEMON_KAFKA_SECURITY_PROTOCOL or the port"
        )

    def _wrong_protocol(self) -> str:
        protocol = self.security.security_protocol
        wanted = "TLS or a login" if protocol == "PLAINTEXT" else "another protocol or a client certificate"
        return (
            f"Kafka at {self.bootstrap} closes the connection, as brokers do that want {wanted}: correct "
            f"VOICEMON_KAFKA_SECURITY_PROTOCOL ({protocol} now) or the port, unless it is just stopping"
        )


def require_rights(missing: list[str], security: KafkaSecurity) -> None:
    """Raises VoicemonError that names what the user lacks, if there is anything."""
    if missing:
        raise VoicemonError(missing_rights_sentence(missing, security))


def missing_rights_sentence(missing: list[str], security: KafkaSecurity) -> str:
    """What the user lacks, in words; empty if that is nothing."""
    return f"Kafka does not let {user_of(security)} {'; '.join(missing)}: grant these rights" if missing else ""
