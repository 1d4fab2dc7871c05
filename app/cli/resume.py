"""`voicemon resume`: go on after too many refused records."""

from typing import Annotated

import typer

from app.cli.output import print_json
from app.runtime.settings import Settings
from app.runtime.worker_client import WorkerClient


def resume(
    url: Annotated[
        str | None,
        typer.Option("--url", help="Address of a worker. [default: VOICEMON_WEB_HOST and VOICEMON_WEB_PORT]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let a worker go on that has paused because too many records are refused.

    What is refused goes to the dead-letter topic. It pauses again when as many more are refused; a worker started
    with --accept-rejects never does.
    """
    web = Settings.from_environment().web
    client = WorkerClient(url or f"http://{web.host}:{web.port}", token=web.client_token.get_secret_value())
    found = client.post("/api/v1/resume")
    if as_json:
        print_json(found)
    else:
        typer.echo("The worker goes on." if found["resumed"] else "The worker had not paused.")
