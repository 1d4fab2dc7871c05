"""Every command of the command line, in the order that help shows them."""

import typer

from app.cli import config, lag, publish, simulate, stack, worker


def register(app: typer.Typer) -> None:
    """Attach all commands."""
    stack.register(app)
    app.command("worker")(worker.worker)
    app.command("publish")(publish.publish)
    app.command("simulate")(simulate.simulate)
    app.command("lag")(lag.lag)
    app.add_typer(config.config, name="config")
