"""The checked-in files are those that the builders write."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.grafana.builder import files
from deploy.grafana.builder.__main__ import main
from tests.deploy.places import ROOT
from tests.grafana.made import GRAFANA


def test_the_checked_in_files_are_those_that_the_builders_write() -> None:
    assert files.differences(GRAFANA) == []


def test_the_files_are_the_same_at_every_run_whatever_the_hash_seed() -> None:
    program = (
        "from deploy.grafana.builder.files import texts; import hashlib\n"
        "print(hashlib.sha256(repr(texts()).encode()).hexdigest())"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True, timeout=60,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(sums) == 1


def test_what_differs_is_named_and_mended(tmp_path: Path) -> None:
    for name in files.MADE_IN:
        shutil.copytree(GRAFANA / name, tmp_path / name)
    edited, missing, foreign = sorted(files.texts())[0], sorted(files.texts())[-1], "dashboards/old/board.json"
    (tmp_path / edited).write_text("{}")
    (tmp_path / missing).unlink()
    (tmp_path / foreign).parent.mkdir()
    (tmp_path / foreign).write_text("{}")
    assert files.differences(tmp_path) == sorted([edited, missing, foreign])
    assert files.write(tmp_path) == sorted([edited, missing, foreign])
    assert files.differences(tmp_path) == []
    assert not (tmp_path / foreign).exists()


def test_the_command_checks_and_refuses_other_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 0
    assert main(["--other"]) == 2
    monkeypatch.setattr("deploy.grafana.builder.__main__.FOLDER_OF_ALL", tmp_path)
    assert main(["--check"]) == 1
    assert "run python -m deploy.grafana.builder" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_make_check_runs_the_check() -> None:
    assert "\n\t$(BIN)/python -m deploy.grafana.builder --check\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
