"""The worker that a command asks: its address and the access token."""

from typing import Annotated

import typer

from app.runtime.settings import WebSettings
from app.runtime.worker_client import WorkerClient

Url = Annotated[
    str | None, typer.Option("--url", help="Address of a worker. [default: VOICEMON_WEB_HOST and VOICEMON_WEB_PORT]")
]


def asked_worker(web: WebSettings, url: str | None, token: str | None = None) -> WorkerClient:
    """A client of the worker at `url`, else at the settings' address; without `token` with the settings' one."""
    own = web.client_token.get_secret_value()
    return WorkerClient(url or f"http://{web.host}:{web.port}", token=own if token is None else token)
