import asyncio
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.main import faust_credentials
from app.runtime.errors import VoicemonError
from app.runtime.kafka_access import client_options, without_security
from app.runtime.settings import KafkaSecurity, KafkaSettings, Settings
from tests.certificates import Authority

SASL: dict[str, Any] = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-256",
    "user": "monitor",
    "password": SecretStr("open-sesame"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_brokers_without_security_get_an_address_only() -> None:
    assert client_options(KafkaSettings(bootstrap="a:1,b:2")) == {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "PLAINTEXT",
    }
    assert faust_credentials(KafkaSettings()) is None


def test_user_and_password_reach_every_client(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file\n")
    options = client_options(KafkaSettings(**SASL, password_file=file))
    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    assert options == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "monitor",
        "sasl_plain_password": "from a file",
    }
    credentials = faust_credentials(KafkaSettings(**SASL))
    assert credentials is not None
    assert (credentials.mechanism.value, credentials.protocol.value) == ("SCRAM-SHA-256", "SASL_SSL")
    assert "open-sesame" not in repr(credentials)


def test_a_client_certificate_is_loaded(authority: Authority) -> None:
    identity = authority.identity("client")
    security = KafkaSecurity(
        security_protocol="SSL",
        tls_ca_file=authority.certificate,
        tls_certificate_file=identity.certificate,
        tls_key_file=identity.key,
    )
    credentials = faust_credentials(security)
    assert credentials is not None
    assert credentials.protocol.value == "SSL"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"user": ""}, "set VOICEMON_KAFKA_USER too"),
        ({"password": SecretStr("")}, "set VOICEMON_KAFKA_PASSWORD or VOICEMON_KAFKA_PASSWORD_FILE too"),
        ({"password_file": Path("/nowhere/p")}, "VOICEMON_KAFKA_PASSWORD_FILE names /nowhere/p, which cannot be read"),
        ({"tls_ca_file": Path("/nowhere/ca")}, "VOICEMON_KAFKA_TLS_CA_FILE names /nowhere/ca"),
        ({"tls_ca_file": Path(__file__)}, "which holds no certificate"),
        ({"tls_key_file": Path(__file__)}, "VOICEMON_KAFKA_TLS_KEY_FILE needs VOICEMON_KAFKA_TLS_CERTIFICATE_FILE"),
        ({"tls_certificate_file": Path(__file__)}, "and its key do not work"),
    ],
)
def test_what_cannot_work_is_said_before_anything_connects(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(VoicemonError, match=text):
        client_options(KafkaSettings(**SASL | wrong))


def test_the_local_broker_gets_no_proof_of_another_one() -> None:
    local = without_security(KafkaSettings(**SASL, partitions=9), "127.0.0.1:1", replication_factor=1)
    assert (local, local.partitions) == (KafkaSettings(bootstrap="127.0.0.1:1", partitions=9), 9)


@pytest.mark.enable_socket
async def test_a_connection_is_closed_without_waiting_for_the_broker_s_goodbye(authority: Authority) -> None:
    identity = authority.identity("broker")
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(identity.certificate, identity.key)
    is_over = threading.Event()

    def hold(listener: socket.socket) -> None:
        """A broker that takes a connection and then says nothing."""
        with server_side.wrap_socket(listener.accept()[0], server_side=True):
            is_over.wait(30)

    security = KafkaSecurity(security_protocol="SSL", tls_ca_file=authority.certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = threading.Thread(target=hold, args=(listener,))
        broker.start()
        try:
            context = client_options(KafkaSettings(**security.model_dump()))["ssl_context"]
            _, writer = await asyncio.open_connection(*listener.getsockname(), ssl=context)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 5)
        finally:
            is_over.set()
            broker.join(10)


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMON_KAFKA_TLS_CA_FILE", "")
    assert Settings.from_environment().kafka.tls_ca_file is None


def test_no_secret_is_a_plain_text_setting() -> None:
    fields: dict[str, FieldInfo] = {**KafkaSettings.model_fields, **type(Settings().clickhouse).model_fields}
    secrets = [name for name in fields if name.endswith("password")]
    assert {fields[name].annotation for name in secrets} == {SecretStr}
