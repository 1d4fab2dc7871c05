"""`voicemon stack` as a user runs it: real processes, own folders, free ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.local.folder import DataFolder
from app.local.processes import ROOT, Command, release, start_detached, start_token
from app.local.stack import LocalStack
from app.runtime.errors import VoicemonError
from app.runtime.settings import ClickHouseSettings
from tests.services import local_settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
DEADLINE_SECONDS = 90


def voicemon(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=os.environ | environment,  # noqa: TID251  (tests hand their environment on)
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def start_voicemon(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def processes_of(folder: Path) -> list[str]:
    """Processes whose arguments name the folder, apart from the command line's own."""
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True)
    return [
        line
        for line in listed.stdout.splitlines()
        if str(folder) in line and "app.cli" not in line and " Z" not in line
    ]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        time.sleep(0.05)


async def write_record(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, b"kept")


async def read_record(bootstrap: str, topic: str) -> bytes:
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        batches = await consumer.getmany(timeout_ms=30_000)
    return next(iter(batches.values()))[0].value


def clickhouse_client(url: str) -> clickhouse_connect.driver.Client:
    users = ClickHouseSettings()
    return clickhouse_connect.get_client(dsn=url, username=users.user, password=users.password.get_secret_value())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stack"


async def test_up_starts_both_and_down_keeps_their_data(folder: Path) -> None:
    data = ("--data", str(folder), "--json")
    first = voicemon("stack", "up", "--ports", "auto", *data)
    try:
        assert first.returncode == 0, first.stderr
        told = json.loads(first.stdout)
        assert told["started"] is True
        assert {service["state"] for service in told["services"].values()} == {"running"}
        await write_record(told["environment"]["VOICEMON_KAFKA_BOOTSTRAP"], "kept")
        client = clickhouse_client(told["environment"]["VOICEMON_CLICKHOUSE_URL"])
        client.command("CREATE DATABASE kept")
        client.command("CREATE TABLE kept.numbers ENGINE = MergeTree ORDER BY n AS SELECT 7::UInt8 AS n")

        again = json.loads(voicemon("stack", "up", *data).stdout)
        assert again == told | {"started": False}
        assert voicemon("stack", "status", *data).returncode == 0

        assert set(json.loads(voicemon("stack", "down", *data).stdout)["stopped"]) == {"kafka", "clickhouse"}
        assert processes_of(folder) == []
        assert voicemon("stack", "status", *data).returncode == 1

        second = json.loads(voicemon("stack", "up", "--ports", "auto", *data).stdout)
        assert await read_record(second["environment"]["VOICEMON_KAFKA_BOOTSTRAP"], "kept") == b"kept"
        client = clickhouse_client(second["environment"]["VOICEMON_CLICKHOUSE_URL"])
        assert client.query("SELECT n FROM kept.numbers").result_rows == [(7,)]
        with pytest.raises(VoicemonError, match="voicemon stack down"), LocalStack(local_settings(folder)):
            pass
    finally:
        voicemon("stack", "down", *data)
    assert processes_of(folder) == []


def test_only_the_service_that_has_ended_is_started_again(folder: Path) -> None:
    data = ("--data", str(folder), "--json")
    try:
        before = json.loads(voicemon("stack", "up", "--ports", "auto", *data).stdout)["services"]
        os.kill(before["clickhouse"]["pid"], signal.SIGKILL)
        wait_until(lambda: start_token(before["clickhouse"]["pid"]) is None, "ClickHouse has ended")
        found = voicemon("stack", "status", *data)
        assert (found.returncode, json.loads(found.stdout)["services"]["clickhouse"]["state"]) == (1, "ended")
        after = json.loads(voicemon("stack", "up", "--ports", "auto", *data).stdout)["services"]
        assert after["kafka"] == before["kafka"]
        assert after["clickhouse"]["state"] == "running"
    finally:
        voicemon("stack", "down", *data)


def test_a_port_in_use_is_named_with_the_setting_that_moves_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = voicemon(
            "stack", "up", "--data", str(folder), VOICEMON_LOCAL_KAFKA_PORT=port, VOICEMON_LOCAL_CLICKHOUSE_PORT="0"
        )
    assert done.returncode == 1
    assert f"port {port} for Kafka is in use" in done.stderr
    assert "VOICEMON_LOCAL_KAFKA_PORT" in done.stderr
    assert processes_of(folder) == []


def test_a_recycled_process_id_is_not_stopped(folder: Path) -> None:
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as foreign:
        entry = {
            "pid": foreign.pid,
            "token": "an earlier process",
            "port": 1,
            "address": "",
            "log": "",
            "environment": {},
        }
        (folder / "stack.json").write_text(json.dumps({"kafka": entry}))
        status = voicemon("stack", "status", "--data", str(folder), "--json")
        assert json.loads(status.stdout)["services"]["kafka"]["state"] == "ended"
        done = voicemon("stack", "down", "--data", str(folder))
        assert (done.returncode, done.stdout) == (0, "Nothing was running.\n")
        assert foreign.poll() is None
        foreign.communicate(b"\n")


def test_services_end_with_a_parent_that_is_killed(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.local.stack import LocalStack;"
        "from tests.services import local_settings\n"
        "with LocalStack(local_settings(Path(sys.argv[1])), ['kafka']): print('up', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "up\n"
        assert len(processes_of(folder)) == 3, "the parent, its guard and Kafka"
        parent.kill()
        wait_until(lambda: processes_of(folder) == [], "guard and Kafka have ended")
    with DataFolder(folder).locked():
        pass


def test_kafka_ends_with_a_guard_that_is_killed(folder: Path) -> None:
    with LocalStack(local_settings(folder), ["kafka"]) as stack:
        os.kill(stack.entries["kafka"].pid, signal.SIGKILL)
        wait_until(lambda: processes_of(folder) == [], "Kafka has ended")


def test_ctrl_c_during_up_leaves_nothing_behind(folder: Path) -> None:
    with start_voicemon("stack", "up", "--ports", "auto", "--data", str(folder)) as command:
        wait_until((folder / "stack.json").exists, "the first process has started")
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=DEADLINE_SECONDS)
    assert command.returncode != 0
    assert processes_of(folder) == []
    assert not (folder / "stack.json").exists()


def test_a_process_runs_only_after_its_release(tmp_path: Path) -> None:
    for name in ("forgotten", "released"):
        process = start_detached(Command(["/bin/sh", "-c", f"echo > {tmp_path / name}"], tmp_path / "log"))
        if name == "released":
            release(process)
        process.stdin.close()
        process.wait(DEADLINE_SECONDS)
    assert not (tmp_path / "forgotten").exists()
    assert (tmp_path / "released").exists()


def test_down_finds_what_a_killed_up_has_started(folder: Path) -> None:
    with start_voicemon("stack", "up", "--ports", "auto", "--data", str(folder)) as command:
        wait_until((folder / "stack.json").exists, "the first process has started")
        command.kill()
        command.communicate(timeout=DEADLINE_SECONDS)
    assert "kafka" in voicemon("stack", "down", "--data", str(folder)).stdout
    wait_until(lambda: processes_of(folder) == [], "all have ended")


def test_a_crash_at_start_shows_the_end_of_the_log(folder: Path) -> None:
    with LocalStack(local_settings(folder), ["kafka"]):
        pass
    properties = folder / "kafka" / "data" / "meta.properties"
    properties.write_text(properties.read_text().replace("node.id=1", "node.id=2"))
    with (
        pytest.raises(VoicemonError, match=r"(?s)Kafka ended at its start with code 1: see .*node[ .]id"),
        LocalStack(local_settings(folder), ["kafka"]),
    ):
        pass
    assert processes_of(folder) == []


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    with DataFolder(folder).locked():
        done = voicemon("stack", "up", "--ports", "auto", "--data", str(folder))
    assert done.returncode == 1
    assert f"{folder} is in use by another stack (process {os.getpid()})" in done.stderr


def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, 12345, -1)
    else:
        folder = Path("/usr")
    done = voicemon("stack", "up", "--ports", "auto", "--data", str(folder))
    assert done.returncode == 1
    assert f"{folder} belongs to another user" in done.stderr


def test_a_missing_java_is_named_with_its_installation(folder: Path, tmp_path: Path) -> None:
    done = voicemon("stack", "up", "--ports", "auto", "--data", str(folder), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "Java is missing" in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr
    assert "brew install openjdk@17" in done.stderr


def test_an_old_java_is_refused(folder: Path, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    done = voicemon("stack", "up", "--ports", "auto", "--data", str(folder), VOICEMON_LOCAL_JAVA=str(java))
    assert done.returncode == 1
    assert "is version 11" in done.stderr
    assert "17 or later" in done.stderr


def test_a_missing_maven_is_named_with_its_installation(folder: Path, tmp_path: Path) -> None:
    done = voicemon(
        "stack", "up", "--ports", "auto", "--data", str(folder),
        VOICEMON_LOCAL_MAVEN="no-such-maven", VOICEMON_LOCAL_CACHE_DIR=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Maven is missing" in done.stderr
    assert "apt-get install maven" in done.stderr


def test_a_second_start_does_not_need_maven(folder: Path) -> None:
    settings = local_settings(folder)
    with LocalStack(settings, ["kafka"]):
        pass
    without = settings.model_copy(update={"local": settings.local.model_copy(update={"maven": "no-such-maven"})})
    with LocalStack(without, ["kafka"]) as stack:
        assert stack.kafka_bootstrap
