"""server.properties as Java reads it."""

from pathlib import Path

import pytest

from app.local.kafka_storage import cluster_id, write_properties
from app.runtime.errors import VoicemonError


def test_a_name_beyond_latin_1_is_escaped_as_utf_16(tmp_path: Path) -> None:
    text = write_properties(tmp_path / "dö😀", 3, 4).read_text(encoding="ascii")
    assert "/d\\u00f6\\ud83d\\ude00/data\n" in text


def test_both_listeners_are_on_loopback(tmp_path: Path) -> None:
    lines = write_properties(tmp_path, 3, 4).read_text().splitlines()
    assert "listeners=PLAINTEXT://127.0.0.1:3,CONTROLLER://127.0.0.1:4" in lines


def test_a_comma_in_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VoicemonError, match="comma"):
        write_properties(tmp_path / "a,b", 3, 4)


def test_the_cluster_id_stays_and_never_looks_like_an_option(tmp_path: Path) -> None:
    first = cluster_id(tmp_path)
    assert len(first) == 22
    assert first.startswith("v")
    assert cluster_id(tmp_path) == first
