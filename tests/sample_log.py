"""The sample log under tests/data/sample as records of one partition, and its expected results."""

import base64
import json
from pathlib import Path
from typing import Any

from app.domain.recount import LogRecord

FOLDER = Path(__file__).parent / "data" / "sample"


def _value(line: dict[str, Any]) -> bytes | None:
    if "valueB64" in line:
        return base64.b64decode(line["valueB64"])
    return None if line["value"] is None else line["value"].encode()


def read_log(name: str) -> list[LogRecord]:
    """Records of one file, all in partition 0, offset = line number from 0."""
    lines = [json.loads(line) for line in (FOLDER / name).read_text(encoding="ascii").splitlines()]
    return [
        LogRecord(0, offset, line["appendTimeMs"], None if line["key"] is None else line["key"].encode(), _value(line))
        for offset, line in enumerate(lines)
    ]


def read_expected(name: str) -> dict[str, Any]:
    """Expected results of one log."""
    expected: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="ascii"))
    return expected
