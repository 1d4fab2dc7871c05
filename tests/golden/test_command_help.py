"""What `--help` of every command says; after a wanted change: pytest --snapshot-update tests/golden."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from syrupy.assertion import SnapshotAssertion
from typer.testing import CliRunner

from app.cli.commands import register

WIDTH = 100


@pytest.fixture
def voicemon(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command line, whose help looks the same in every terminal."""
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", WIDTH)
    monkeypatch.setattr("typer.rich_utils.COLOR_SYSTEM", None)
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", False)
    app = typer.Typer(name="voicemon", no_args_is_help=True, add_completion=False, help="Monitor.")
    register(app)
    return app


def commands_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands_of(inner, (*path, name))


def test_help_of_every_command_is_as_recorded(voicemon: typer.Typer, snapshot: SnapshotAssertion) -> None:
    paths = list(commands_of(typer.main.get_command(voicemon)))
    for path in paths:
        shown = CliRunner().invoke(voicemon, [*path, "--help"])
        assert shown.exit_code == 0, path
        text = re.sub(r" +$", "", shown.output, flags=re.MULTILINE)
        assert text == snapshot(name=" ".join(["voicemon", *path]))


def test_every_command_prints_json_if_asked(voicemon: typer.Typer) -> None:
    without = [
        path
        for path in commands_of(typer.main.get_command(voicemon))
        if not (shown := CliRunner().invoke(voicemon, [*path, "--help"]).output).count("COMMAND")
        and "--json" not in shown
    ]
    assert without == []
