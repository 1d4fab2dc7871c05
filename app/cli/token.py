"""`voicemon token new`: access tokens for a worker's views."""

from typing import Annotated

import typer

from app.cli.output import print_json
from app.web.tokens import new_token, token_line

commands = typer.Typer(no_args_is_help=True, help="Access tokens of the web views.")
Name = Annotated[str, typer.Argument(help="What the token is for, such as grafana or anna.")]
Organization = Annotated[
    str | None, typer.Option("--organization", help="Let it see this organisation only; without it everything.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@commands.command("new")
def new(name: Name, organization: Organization = None, as_json: Json = False) -> None:
    """Print a new token, once, and the line with its hash that lets a worker know it."""
    token = new_token()
    line = token_line(name, organization, token)
    if as_json:
        print_json({"token": token, "line": line})
        return
    typer.echo(f"Token, shown only now:\n  {token}\n")
    typer.echo(f"Line for the file that VOICEMON_WEB_TOKENS_FILE names (or for VOICEMON_WEB_TOKENS):\n  {line}")


@commands.callback()
def token() -> None:
    """Access tokens of the web views."""
