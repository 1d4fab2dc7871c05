"""Every command of the command line, in the order that help shows them."""

import typer

from app.cli import publish, simulate

COMMANDS = [publish, simulate]


def register(app: typer.Typer) -> None:
    """Attach all commands."""
    for command in COMMANDS:
        command.register(app)
