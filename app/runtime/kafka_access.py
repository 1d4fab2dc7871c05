"""How every client of the brokers connects and proves who it is."""

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.runtime.errors import VoicemonError
from app.runtime.passwords import current_password, read_setting_file
from app.runtime.settings import KafkaSecurity, KafkaSettings

PLAIN = KafkaSecurity()
"""No proof at all, as the local stack's broker wants it."""


class _QuickGoodbye(ssl.SSLObject):
    """Closes a connection without waiting for the broker's goodbye.

    A broker that holds a fetch back does not say it, and asyncio would wait 30 s, at each start of a worker for one.
    RFC 8446, 6.1: both sides need not wait.
    """

    def unwrap(self) -> None:
        """Send the goodbye."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Arguments that every aiokafka client takes: brokers, protocol, credentials.

    Raises VoicemonError if a file cannot be used or a user is missing.
    """
    return {"bootstrap_servers": settings.bootstrap, **security_options(settings)}


def security_options(security: KafkaSecurity) -> dict[str, Any]:
    """The same without the brokers."""
    options: dict[str, Any] = {"security_protocol": security.security_protocol}
    if security.security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls(security)
    if security.security_protocol.startswith("SASL"):
        user, password = _user(security)
        options |= {"sasl_mechanism": security.sasl_mechanism}
        options |= {"sasl_plain_username": user, "sasl_plain_password": password}
    return options


def is_secured(security: KafkaSecurity) -> bool:
    """Whether the brokers want more than an address."""
    return security.security_protocol != "PLAINTEXT"


def without_security(settings: KafkaSettings, bootstrap: str, **changes: Any) -> KafkaSettings:
    """The settings for a broker of the local stack, whatever proof another one wants."""
    plain = {name: getattr(PLAIN, name) for name in KafkaSecurity.model_fields}
    return settings.model_copy(update={**plain, "bootstrap": bootstrap, **changes})


def _user(security: KafkaSecurity) -> tuple[str, str]:
    password = current_password(security.password, security.password_file, "VOICEMON_KAFKA_PASSWORD_FILE")
    if not security.user or not password:
        missing = "PASSWORD or VOICEMON_KAFKA_PASSWORD_FILE" if security.user else "USER"
        raise VoicemonError(
            f"VOICEMON_KAFKA_SECURITY_PROTOCOL is {security.security_protocol}: set VOICEMON_KAFKA_{missing} too"
        )
    return security.user, password


def _tls(security: KafkaSecurity) -> ssl.SSLContext:
    context = _context(security.tls_ca_file)
    certificate, key = security.tls_certificate_file, security.tls_key_file
    if certificate is None:
        if key is not None:
            raise VoicemonError("VOICEMON_KAFKA_TLS_KEY_FILE needs VOICEMON_KAFKA_TLS_CERTIFICATE_FILE: set both")
        return context
    read_setting_file(certificate, "VOICEMON_KAFKA_TLS_CERTIFICATE_FILE")
    if key is not None:
        read_setting_file(key, "VOICEMON_KAFKA_TLS_KEY_FILE")
    try:
        # Always with a password: without one the library would ask at the terminal for that of an encrypted key.
        context.load_cert_chain(certificate, key, password=security.tls_key_password.get_secret_value())
    except ssl.SSLError as error:
        raise VoicemonError(
            f"the client certificate {certificate} and its key do not work ({error.reason or error}): they must be PEM "
            "files that belong together, and VOICEMON_KAFKA_TLS_KEY_PASSWORD the password of an encrypted key"
        ) from error
    return context


def _context(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is not None:
        read_setting_file(ca_file, "VOICEMON_KAFKA_TLS_CA_FILE")
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.sslobject_class = _QuickGoodbye
        return context
    except ssl.SSLError as error:
        raise VoicemonError(
            f"VOICEMON_KAFKA_TLS_CA_FILE names {ca_file}, which holds no certificate: it must be a PEM file"
        ) from error
