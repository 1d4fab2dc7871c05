"""`voicemon resume`: go on after too many refused records."""

from typing import Annotated

import typer

from app.cli.asked_worker import Url, asked_worker
from app.cli.output import print_json
from app.runtime.settings import Settings


def resume(
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let a worker go on that has paused because too many records are refused.

    What is refused goes to the dead-letter topic. It pauses again when as many more are refused; a worker started
    with --accept-rejects never does.
    """
    found = asked_worker(Settings.from_environment().web, url).post("/api/v1/resume")
    if as_json:
        print_json(found)
    else:
        typer.echo("The worker goes on." if found["resumed"] else "The worker had not paused.")
