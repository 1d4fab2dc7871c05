"""Every command of the command line, in the order that help shows them."""

import typer

from app.cli import (
    audit,
    bench,
    config,
    dead_letters,
    demo,
    erase,
    lag,
    migrate,
    publish,
    query,
    replay,
    resume,
    rollup,
    simulate,
    stack,
    token,
    top,
    worker,
)


def register(app: typer.Typer) -> None:
    """Attach all commands."""
    app.add_typer(stack.commands, name="stack")
    app.command("worker")(worker.worker)
    app.command("resume")(resume.resume)
    app.command("demo")(demo.demo)
    app.command("simulate")(simulate.simulate)
    app.command("publish")(publish.publish)
    app.add_typer(query.commands, name="query")
    app.command("top")(top.top)
    app.command("audit")(audit.audit)
    app.add_typer(dead_letters.commands, name="dead-letters")
    app.command("replay")(replay.replay)
    app.command("lag")(lag.lag)
    app.command("migrate")(migrate.migrate)
    app.command("rollup")(rollup.rollup)
    app.command("erase")(erase.erase)
    app.add_typer(token.commands, name="token")
    app.add_typer(config.commands, name="config")
    app.add_typer(bench.commands, name="bench")
