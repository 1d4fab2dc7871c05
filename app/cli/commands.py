"""Every command of the command line, in the order that help shows them."""

import typer

from app.cli import publish, simulate

COMMANDS: list[str] = []


def register(app: typer.Typer) -> None:
    """Attach all commands."""
    app.command("publish")(publish.publish)
    app.command("simulate")(simulate.simulate)
