"""A broker of the local stack with two more listeners: SASL over TLS, and TLS with client certificates.

Rights are granted by access control lists; `monitor` and anonymous clients of the plain listener may do everything.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from pydantic import SecretStr

from app.local.kafka import LocalKafka
from app.local.kafka_jars import find_java, kafka_jars
from app.local.kafka_storage import cluster_id, write_properties
from app.local.launch import await_answers
from app.local.ports import HOST, free_port
from app.local.processes import start_guarded, stop_guard
from app.runtime.settings import KafkaSettings, Settings
from tests.certificates import Authority, Identity
from tests.services import local_settings

PASSWORDS = {"monitor": "open-sesame", "limited": "limited-password"}
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
TOPIC, GROUP, CLUSTER = 2, 3, 4
READ, WRITE, CREATE, DESCRIBE = 3, 4, 5, 8
LITERAL, ALLOW = 3, 3


@dataclass(frozen=True)
class SecuredKafka:
    """Where the listeners are, and who may use them."""

    plain: str
    sasl: str
    mutual: str
    authority: Authority
    client: Identity

    def login(self, mechanism: str = "SCRAM-SHA-512", user: str = "monitor", **changes: Any) -> KafkaSettings:
        """Settings that log in over TLS."""
        return KafkaSettings(
            **{
                "bootstrap": self.sasl,
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": mechanism,
                "user": user,
                "password": SecretStr(PASSWORDS[user]),
                "tls_ca_file": self.authority.certificate,
            }
            | changes
        )

    def certified(self) -> KafkaSettings:
        """Settings that prove themselves with a client certificate."""
        return KafkaSettings(
            bootstrap=self.mutual,
            security_protocol="SSL",
            tls_ca_file=self.authority.certificate,
            tls_certificate_file=self.client.certificate,
            tls_key_file=self.client.key,
        )

    async def allow(self, kind: int, name: str, *operations: int) -> None:
        """Give `limited` rights on one topic or group."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.plain)
        await admin.start()
        try:
            for operation in operations:
                request = CreateAclsRequest(kind, name, LITERAL, "User:limited", "*", operation, ALLOW)
                answer = await admin._send_to_controller(request)
                assert answer.creation_responses[0][0] == 0, answer
        finally:
            await admin.close()


@contextmanager
def running_secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """The broker, once it answers."""
    authority = Authority(folder)
    server, client = authority.identity("broker"), authority.identity("client")
    keys = folder / "keystore.pem"
    keys.write_text(server.key.read_text() + server.certificate.read_text())
    settings = local_settings(folder)
    ports = [free_port() for _ in range(3)]
    extra = _listeners(ports, keys, authority.certificate)
    broker = _SecuredBroker(folder / "kafka", ports[0], settings, extra)
    command = broker.prepare()
    guard = start_guarded(command)
    try:
        await_answers([broker], [guard], settings.local.start_seconds)
        plain, sasl, mutual = (f"{HOST}:{port}" for port in ports)
        yield SecuredKafka(plain, sasl, mutual, authority, client)
    finally:
        stop_guard(guard, settings.local.stop_seconds)


class _SecuredBroker(LocalKafka):
    """The local stack's broker with more properties; users of SCRAM come with the formatted storage."""

    def __init__(self, folder: Path, port: int, settings: Settings, extra: Callable[[int], dict[str, str]]) -> None:
        super().__init__(folder, port, settings.local, lambda _: None)
        self._extra = extra
        self._local = settings.local

    def prepare(self) -> Any:
        self._format()
        command = super().prepare()
        properties = self.folder / "server.properties"
        text = properties.read_text()
        controller = next(line for line in text.splitlines() if line.startswith("listeners=")).rpartition(":")[2]
        # The last of equal names holds.
        lines = [f"{name}={value}\n" for name, value in self._extra(int(controller)).items()]
        properties.write_text(text + "".join(lines))
        return command

    def _format(self) -> None:
        java, jars = find_java(self._local.java), kafka_jars(self._local, lambda _: None)
        properties = write_properties(self.folder, self.port, free_port())
        users = [
            f"{mechanism}=[name={name},password={password}]"
            for name, password in PASSWORDS.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        options = [word for user in users for word in ("--add-scram", user)]
        tool = [java, "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"]
        done = subprocess.run(
            [*tool, "-t", cluster_id(self.folder), "-c", str(properties), *options],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        (self.folder / "formatted").touch()


def _listeners(ports: list[int], keys: Path, trusted: Path) -> Callable[[int], dict[str, str]]:
    plain, sasl, mutual = ports
    users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    outside = f"PLAINTEXT://{HOST}:{plain},SECURE://{HOST}:{sasl},MUTUAL://{HOST}:{mutual}"

    def properties(controller: int) -> dict[str, str]:
        return {
            "listeners": f"{outside},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": outside,
            "listener.security.protocol.map": ("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL"),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(keys),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(trusted),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,SCRAM-SHA-256",
            "listener.name.secure.plain.sasl.jaas.config": f"{PLAIN_LOGIN} {users};",
            "listener.name.secure.scram-sha-512.sasl.jaas.config": SCRAM_LOGIN,
            "listener.name.secure.scram-sha-256.sasl.jaas.config": SCRAM_LOGIN,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:monitor;User:CN=client",
        }

    return properties
