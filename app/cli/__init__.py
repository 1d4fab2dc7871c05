"""The command `voicemon`: one module per command; commands parse, call one function and print."""

import sys

import typer
from pydantic import ValidationError

from app.runtime.errors import VoicemonError
from app.runtime.logs import configure_logs

app = typer.Typer(
    name="voicemon",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Monitor of a voice-note pipeline.",
)


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 failed, 2 wrong use."""
    from app.cli import commands  # noqa: PLC0415  (registers the commands; a module-level import would be circular)

    commands.register(app)
    configure_logs("WARNING", json_lines=False)  # not to stdout, where a command's answer goes
    try:
        app()
    except ValidationError as error:
        for problem in error.errors():
            name = "VOICEMON_" + "_".join(str(part) for part in problem["loc"]).upper()
            is_unknown = problem["type"] == "extra_forbidden"
            text = "there is no such setting, see 'voicemon config show'" if is_unknown else problem["msg"]
            typer.echo(f"voicemon: {name}: {text}", err=True)
        sys.exit(2)
    except VoicemonError as error:
        typer.echo(f"voicemon: {error}", err=True)
        sys.exit(error.exit_code)
