import pytest
import typer
from typer.testing import CliRunner

from app.cli import publish, simulate


@pytest.fixture
def command_line() -> typer.Typer:
    app = typer.Typer()
    app.command("publish")(publish.publish)
    app.command("simulate")(simulate.simulate)
    return app


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish"],
        ["publish", "/nowhere/events.ndjson"],
        ["publish", "-", "--rate", "0"],
        ["simulate", "--rate", "0"],
        ["simulate", "--failure-rate", "1.5"],
        ["simulate", "--organisations", "0"],
        ["simulate", "--seconds", "-1"],
    ],
)
def test_wrong_use_ends_with_exit_code_2(command_line: typer.Typer, arguments: list[str]) -> None:
    assert CliRunner().invoke(command_line, arguments).exit_code == 2
