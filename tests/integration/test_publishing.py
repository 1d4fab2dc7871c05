import base64
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from app.local import kafka, ports
from app.publisher import AsyncPublisher, Publisher
from app.publisher.transport import partition_of
from app.runtime.settings import Settings
from tests.fake_log import wait_until
from tests.integration.event_log import PARTITIONS, create_event_topic, events_of, read_log

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
ARTIFACTS = 13


class Broker:
    """A broker of its own that a test may kill."""

    def __init__(self, folder: Path) -> None:
        self._kafka = kafka.LocalKafka(folder, ports.free_port(), Settings.from_environment().local, lambda _line: None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return self._kafka.address

    def start(self) -> None:
        command = self._kafka.prepare()
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(command.arguments, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    own = Broker(tmp_path / "kafka")
    try:
        yield own
    finally:
        own.kill()


def publish_numbers(publisher: Publisher | AsyncPublisher, numbers: range) -> None:
    for number in numbers:
        assert publisher.publish(
            {"eventType": "artifact_received", "artifactId": f"art_{number % ARTIFACTS}", "n": number}
        )


def assert_log_holds_once_in_order(events: list[dict[str, object]], count: int) -> None:
    assert sorted(int(str(event["n"])) for event in events) == list(range(count))
    numbers = defaultdict(list)
    for event in events:
        numbers[event["artifactId"]].append(event["n"])
    assert numbers == {f"art_{first}": list(range(first, count, ARTIFACTS)) for first in range(ARTIFACTS)}


def run_python(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT, check=False, timeout=60)


def voicemon(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run_python("-m", "app.cli", *arguments, stdin=stdin)


def start_voicemon(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "app.cli", *arguments], stdout=subprocess.PIPE, cwd=ROOT)


async def test_events_are_in_the_log_once_in_order_and_in_the_partition_of_their_key(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    with Publisher(kafka_bootstrap, unique_prefix) as publisher:
        publish_numbers(publisher, range(3000))
    records = await read_log(kafka_bootstrap, topic)
    assert_log_holds_once_in_order(events_of(records), 3000)
    assert all(record.partition == partition_of(record.key, PARTITIONS) for record in records)
    assert publisher.stats.delivered == 3000


async def test_the_asyncio_form_fills_the_log_too(kafka_bootstrap: str, unique_prefix: str) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    async with AsyncPublisher(kafka_bootstrap, unique_prefix) as publisher:
        publish_numbers(publisher, range(500))
    assert_log_holds_once_in_order(events_of(await read_log(kafka_bootstrap, topic)), 500)


async def test_a_topic_that_is_created_later_gets_the_events_of_before(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    with Publisher(kafka_bootstrap, unique_prefix) as publisher:
        publish_numbers(publisher, range(100))
        topic = await create_event_topic(kafka_bootstrap, unique_prefix)
        wait_until(lambda: publisher.stats.delivered == 100, 30)
    assert_log_holds_once_in_order(events_of(await read_log(kafka_bootstrap, topic)), 100)


async def test_a_value_of_five_megabytes_goes_in_and_one_above_the_topics_limit_does_not_hold_up_the_rest(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    # Random bytes, so that compression does not make them small.
    sizes = (5_000_000, 12_200_000, 1)
    with Publisher(kafka_bootstrap, unique_prefix) as publisher:
        for size in sizes:
            publisher.publish({"artifactId": "a", "noise": base64.b64encode(os.urandom(size)).decode()})
        publisher.publish({"artifactId": "a", "noise": "end"})
        wait_until(lambda: publisher.stats.buffered == 0, 30)
    assert len(await read_log(kafka_bootstrap, topic)) == publisher.stats.delivered
    assert publisher.stats.delivered + publisher.stats.dropped.get("too_large", 0) == 4
    assert publisher.stats.delivered >= 3


async def test_a_broker_that_starts_after_the_publisher_gets_everything_once(broker: Broker) -> None:
    with Publisher(broker.bootstrap, "late_") as publisher:
        publish_numbers(publisher, range(1000))
        assert publisher.stats.delivered == 0
        broker.start()
        topic = await create_event_topic(broker.bootstrap, "late_")
        wait_until(lambda: publisher.stats.delivered == 1000, 90)
    assert_log_holds_once_in_order(events_of(await read_log(broker.bootstrap, topic)), 1000)


async def test_a_broker_that_is_killed_and_comes_back_has_everything_once_and_in_order(broker: Broker) -> None:
    broker.start()
    topic = await create_event_topic(broker.bootstrap, "killed_")
    with Publisher(broker.bootstrap, "killed_") as publisher:
        publish_numbers(publisher, range(20_000))
        wait_until(lambda: publisher.stats.delivered > 0, 30)
        broker.kill()
        publish_numbers(publisher, range(20_000, 21_000))
        broker.start()
        wait_until(lambda: publisher.stats.delivered == 21_000, 120)
    assert_log_holds_once_in_order(events_of(await read_log(broker.bootstrap, topic)), 21_000)


async def test_a_program_that_ends_without_close_has_delivered(kafka_bootstrap: str, unique_prefix: str) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    program = (
        "import multiprocessing, sys\n"
        "from app.publisher import Publisher\n"
        "publisher = Publisher(sys.argv[1].replace('127.0.0.1', 'localhost'), sys.argv[2])\n"
        "def child(): publisher.publish({'eventType': 'artifact_failed'})\n"
        "publisher.publish({'eventType': 'artifact_received'})\n"
        "process = multiprocessing.get_context('fork').Process(target=child)\n"
        "process.start(); process.join()\n"
    )
    done = run_python("-c", program, kafka_bootstrap, unique_prefix)
    assert (done.returncode, done.stderr) == (0, b"")
    events = events_of(await read_log(kafka_bootstrap, topic))
    assert sorted(str(event["eventType"]) for event in events) == ["artifact_failed", "artifact_received"]


async def test_recorded_records_are_written_byte_for_byte_with_key_and_timestamp(
    kafka_bootstrap: str, unique_prefix: str, tmp_path: Path
) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix, **{"message.timestamp.type": "CreateTime"})
    recorded = [
        {"appendTimeMs": 1771113690123, "key": "art_1", "value": '{"a" : 1}'},
        {"appendTimeMs": 1771113690124, "key": "art_1", "value": None},
        {"appendTimeMs": 1771113690125, "key": None, "valueB64": base64.b64encode(b"\xff\x00").decode()},
        {"appendTimeMs": 1771113690126, "key": "art_1", "value": ""},
        {"appendTimeMs": 1771113690127, "key": None, "value": None},
    ]
    file = tmp_path / "records.ndjson"
    file.write_text("".join(json.dumps(record) + "\n" for record in recorded))
    done = voicemon("publish", str(file), "--bootstrap", kafka_bootstrap, "--topic-prefix", unique_prefix, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert orjson.loads(done.stdout)["delivered"] == 5
    records = sorted(await read_log(kafka_bootstrap, topic), key=lambda record: int(record.timestamp))
    assert [(record.key, record.value, record.timestamp) for record in records] == [
        (b"art_1", b'{"a" : 1}', 1771113690123),
        (b"art_1", None, 1771113690124),
        (None, b"\xff\x00", 1771113690125),
        (b"art_1", b"", 1771113690126),
        (None, None, 1771113690127),
    ]
    assert {record.partition for record in records if record.key} == {partition_of(b"art_1", PARTITIONS)}


async def test_recorded_records_are_refused_by_a_topic_that_would_stamp_them_anew(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix, **{"message.timestamp.type": "LogAppendTime"})
    line = b'{"appendTimeMs": 1771113690123, "key": "art_1", "value": "{}"}\n'
    done = voicemon("publish", "-", "--bootstrap", kafka_bootstrap, "--topic-prefix", unique_prefix, stdin=line)
    assert done.returncode == 1
    assert b"message.timestamp.type=CreateTime" in done.stderr
    assert await read_log(kafka_bootstrap, topic) == []


async def test_bad_lines_are_named_and_skipped_and_the_others_published(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    lines = b'{"eventType": "bogus", "n": 1}\nnope\n{"n": 2}\n'
    done = voicemon("publish", "-", "--bootstrap", kafka_bootstrap, "--topic-prefix", unique_prefix, stdin=lines)
    assert done.returncode == 1
    assert b"standard input, line 2" in done.stderr
    assert [event["n"] for event in events_of(await read_log(kafka_bootstrap, topic))] == [1, 2]


async def test_a_simulation_is_in_the_log_as_its_summary_says(kafka_bootstrap: str, unique_prefix: str) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    done = voicemon(
        "simulate", "--rate", "1000", "--seconds", "2", "--duplicate-rate", "0.05", "--late-rate", "0.1", "--json",
        "--bootstrap", kafka_bootstrap, "--topic-prefix", unique_prefix,
    )  # fmt: skip
    summary = orjson.loads(done.stdout)
    events = events_of(await read_log(kafka_bootstrap, topic))
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(events) == summary["delivered"] == summary["published"] == 2000
    assert len({event["eventId"] for event in events}) == summary["distinct"] == 2000 - summary["duplicates"]
    assert summary["duplicates"] > 0
    assert summary["seconds"] == pytest.approx(2, abs=0.5)


async def test_ctrl_c_ends_a_simulation_with_a_summary(kafka_bootstrap: str, unique_prefix: str) -> None:
    topic = await create_event_topic(kafka_bootstrap, unique_prefix)
    process = start_voicemon(
        "simulate", "--seconds", "0", "--rate", "200", "--json",
        "--bootstrap", kafka_bootstrap, "--topic-prefix", unique_prefix,
    )  # fmt: skip
    while not await read_log(kafka_bootstrap, topic):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert orjson.loads(output)["delivered"] == len(await read_log(kafka_bootstrap, topic))


def test_a_missing_topic_is_one_sentence_that_says_what_to_do(kafka_bootstrap: str, unique_prefix: str) -> None:
    done = voicemon("simulate", "--bootstrap", kafka_bootstrap, "--topic-prefix", unique_prefix)
    assert done.returncode == 1
    assert b"start a worker with `voicemon worker`" in done.stderr
    assert done.stderr.count(b"\n") == 1
