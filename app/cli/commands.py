"""Every command of the command line, in the order that help shows them."""

import typer

COMMANDS: list[str] = []


def register(app: typer.Typer) -> None:
    """Attach all commands."""
