"""Which log lines are written."""

import logging
import subprocess
import sys

import pytest

from app.runtime.logs import MOST_MESSAGES, REPEAT_SECONDS, FewRepeats


def record(
    seconds: float, text: str = "no broker", name: str = "aiokafka.client", level: str = "ERROR"
) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": name, "msg": text, "levelno": getattr(logging, level)})
    made.created = 1_000.0 + seconds
    return made


def test_a_complaint_of_the_kafka_client_comes_once_in_a_while() -> None:
    repeats = FewRepeats()
    written = [seconds for seconds in range(0, 25, 5) if repeats.filter(record(seconds))]
    assert written == [0, REPEAT_SECONDS, 2 * REPEAT_SECONDS]


def test_different_complaints_are_all_written() -> None:
    repeats = FewRepeats()
    assert all(repeats.filter(record(0, text)) for text in ("no broker", "no coordinator"))


@pytest.mark.parametrize(("name", "level"), [("app.worker", "ERROR"), ("aiokafka.client", "INFO")])
def test_other_lines_are_all_written(name: str, level: str) -> None:
    repeats = FewRepeats()
    assert all(repeats.filter(record(seconds, name=name, level=level)) for seconds in (0, 0, 1))


def test_a_clock_set_back_hides_nothing() -> None:
    repeats = FewRepeats()
    assert repeats.filter(record(1_000))
    assert repeats.filter(record(0))


def test_what_is_remembered_is_bounded() -> None:
    repeats = FewRepeats()
    for number in range(3 * MOST_MESSAGES):
        assert repeats.filter(record(0, f"message {number}"))
    assert len(repeats._shown_at) <= MOST_MESSAGES


def test_log_lines_of_a_command_leave_its_output_alone() -> None:
    program = (
        "import sys, structlog, typer\n"
        "from app import cli\n"
        "def shout() -> None:\n"
        "    structlog.get_logger().warning('watch out')\n"
        "    typer.echo('{}')\n"
        "cli.app.command('shout')(shout)\n"
        "sys.argv = ['voicemon', 'shout']\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "{}\n"
    assert "watch out" in done.stderr
