"""Kafka and ClickHouse for tests: given by address, in containers, or as the local stack, in this order.

Nothing is started before a test asks for it. `choose` decides from the settings (`VOICEMON_TEST_…`) alone and from
whether a Docker engine answers; a service that was chosen and fails is an error, never a fallback or a skip.
"""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docker.errors import DockerException
from pydantic import SecretStr
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from app.local.kafka import answers
from app.local.kafka_storage import PROPERTIES
from app.local.ports import HOST, free_port
from app.local.stack import LocalStack
from app.runtime.settings import ClickHouseSettings, Settings, TestSettings

START_SECONDS = 120.0


class Source(StrEnum):
    """Where a service comes from."""

    ADDRESS = "its address in the environment"
    DOCKER = "a container"
    LOCAL = "the local stack"


@dataclass(frozen=True)
class Choice:
    """The source of each service."""

    kafka: Source
    clickhouse: Source

    def header(self) -> str:
        return f"services: Kafka from {self.kafka}, ClickHouse from {self.clickhouse} (started when a test needs them)"


def choose(settings: TestSettings, docker_answers: Callable[[], bool]) -> Choice:
    def source(address: str) -> Source:
        if address:
            return Source.ADDRESS
        if settings.use_docker == "auto" and docker_answers():
            return Source.DOCKER
        return Source.LOCAL

    return Choice(source(settings.kafka), source(settings.clickhouse))


def docker_answers() -> bool:
    try:
        return bool(DockerClient(timeout=2).client.ping())
    except DockerException:
        return False


def allowed_hosts(settings: TestSettings) -> list[str]:
    """Loopback, and the hosts of services that are given by address."""
    given = [urlsplit(f"//{broker}").hostname for broker in settings.kafka.split(",") if broker]
    given.append(urlsplit(settings.clickhouse).hostname)
    return [HOST, "::1", "localhost", *(host for host in given if host)]


@contextmanager
def running_kafka(source: Source, settings: Settings, folder: Path) -> Iterator[str]:
    """Bootstrap address of a broker that answers."""
    if source is Source.ADDRESS:
        yield settings.test.kafka
    elif source is Source.DOCKER:
        with kafka_container(settings.test.kafka_image) as bootstrap:
            yield bootstrap
    else:
        with LocalStack(local_settings(folder), ("kafka",)) as stack:
            yield stack.kafka_bootstrap


@contextmanager
def running_clickhouse(source: Source, settings: Settings, folder: Path) -> Iterator[ClickHouseSettings]:
    """URL, user and password of a server that answers; the database is the default one, which may not exist yet."""
    if source is Source.ADDRESS:
        yield settings_of_url(settings.test.clickhouse)
    elif source is Source.DOCKER:
        with clickhouse_container(settings.test.clickhouse_image) as found:
            yield found
    else:
        with LocalStack(local_settings(folder), ("clickhouse",)) as stack:
            yield ClickHouseSettings(url=stack.clickhouse_url)


def local_settings(folder: Path) -> Settings:
    """Default settings with their data in `folder`."""
    settings = Settings.from_environment()
    return settings.model_copy(
        update={
            "local": settings.local.model_copy(update={"data_dir": folder}),
            "clickhouse": ClickHouseSettings(),
        }
    )


def settings_of_url(url: str) -> ClickHouseSettings:
    """User and password move out of the URL; without them the default ones hold."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    given = {"user": unquote(parts.username)} if parts.username else {}
    password = {"password": SecretStr(unquote(parts.password))} if parts.password is not None else {}
    return ClickHouseSettings(url=bare, **given, **password)


@contextmanager
def kafka_container(image: str) -> Iterator[str]:
    """A KRaft node configured through `KAFKA_…` variables, as the image apache/kafka takes them."""
    # Clients are sent to the advertised address, so the host's port must be known before the container starts.
    port = free_port()
    properties = PROPERTIES | {
        "listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": "1@127.0.0.1:9093",
    }
    variables = {f"KAFKA_{name.upper().replace('.', '_')}": str(value) for name, value in properties.items()}
    container = DockerContainer(image, env=variables)
    # `with_bind_ports` would publish the port on all addresses of this machine.
    container.ports["9092/tcp"] = (HOST, port)  # type: ignore[assignment]  # Docker takes an address, too
    with container:
        await_answer(container, lambda: answers(f"{HOST}:{port}", 2.0))
        yield f"{HOST}:{port}"


@contextmanager
def clickhouse_container(image: str) -> Iterator[ClickHouseSettings]:
    port = free_port()
    variables = {
        "CLICKHOUSE_USER": "voicemon",
        "CLICKHOUSE_PASSWORD": "voicemon",
        "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1",
    }
    container = DockerContainer(image, env=variables)
    # `with_bind_ports` would publish the port on all addresses of this machine.
    container.ports["8123/tcp"] = (HOST, port)  # type: ignore[assignment]
    with container:
        await_answer(container, lambda: pings(port))
        yield ClickHouseSettings(url=f"http://{HOST}:{port}", user="voicemon", password=SecretStr("voicemon"))


def pings(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read().startswith(b"Ok.")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def await_answer(container: DockerContainer, is_answering: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_answering():
        if container.status == "exited" or time.monotonic() > deadline:
            output, errors = container.get_logs()
            log = (output + errors).decode(errors="replace")[-2000:]
            raise AssertionError(f"the container of {container.image} does not answer ({container.status}):\n{log}")
        container.reload()
        time.sleep(0.2)
