"""What the local Kafka reads at its start: server.properties and a storage that is formatted once."""

import base64
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from app.local.ports import HOST
from app.local.processes import log_tail
from app.runtime.errors import VoicemonError
from app.runtime.settings import MIB

NEVER = 2**63 - 1
PROPERTIES: dict[str, str | int] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    # A worker joins its group in 2 s instead of 5.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "message.max.bytes": 20 * MIB,
    "replica.fetch.max.bytes": 20 * MIB,
    # Recorded events keep their old or future timestamps: nothing may expire or be refused for its age. Topics that
    # shall forget say so themselves.
    "log.retention.ms": -1,
    "log.message.timestamp.before.max.ms": NEVER,
    "log.message.timestamp.after.max.ms": NEVER,
    # The default takes 128 MiB of a heap of 512.
    "log.cleaner.dedupe.buffer.size": 16 * MIB,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
}


def write_properties(folder: Path, port: int, controller_port: int) -> Path:
    """Path of server.properties, written anew for these ports; the data goes into `folder`/data.

    Raises VoicemonError if the folder's name cannot be written into it.
    """
    if "," in str(folder):
        raise VoicemonError(f"the data folder {folder} has a comma in its name, which Kafka takes for two folders")
    folder.mkdir(parents=True, exist_ok=True)
    controller = f"{HOST}:{controller_port}"
    values = PROPERTIES | {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": _escaped((folder / "data").as_posix()),
    }
    properties = folder / "server.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="ascii")
    return properties


def _escaped(text: str) -> str:
    # Java reads property files as Latin-1, anything else as escaped UTF-16 units.
    units = text.encode("utf-16-be")
    numbers = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return "".join(f"\\u{number:04x}" if number > 126 or number == ord("\\") else chr(number) for number in numbers)


def format_once(tool: Sequence[str], folder: Path, seconds: float) -> None:
    """Format the storage with Kafka's StorageTool, the command `tool`, unless that was done before.

    Raises VoicemonError if the tool fails or takes longer than `seconds`.
    """
    done = folder / "formatted"
    if done.exists():
        return
    # The id is fixed before the tool runs: one that was cut off goes on under the same id.
    options = ["--ignore-formatted", "-t", cluster_id(folder), "-c", str(folder / "server.properties")]
    console = folder / "format.log"
    with console.open("wb") as output:
        try:
            code = subprocess.run(
                [*tool, "format", *options], stdout=output, stderr=output, check=False, timeout=seconds
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise VoicemonError(
                f"Kafka's storage was not formatted within {seconds:g} s: set VOICEMON_LOCAL_START_SECONDS higher"
            ) from error
    if code != 0:
        raise VoicemonError(
            f"Kafka's storage in {folder} could not be formatted (exit code {code}): "
            f"choose another folder with --data; the last lines of {console}:\n{log_tail(console)}"
        )
    done.touch()


def cluster_id(folder: Path) -> str:
    """The id of this storage's cluster, made up at the first call."""
    path = folder / "cluster-id"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # A leading letter: the tool takes a leading "-" for an option.
        path.write_text("v" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22])
    return path.read_text().strip()
