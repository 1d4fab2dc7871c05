"""The worker's web server: JSON API, table views, health and metrics."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from app.queries.catalogue import CATALOGUE
from app.queries.query import Query
from app.runtime.errors import VoicemonError
from app.runtime.logs import leave_out_malformed_requests
from app.runtime.settings import Settings, WebSettings
from app.web import health, metrics, page, reference, resume, sign_in, stream, tables
from app.web.api import catalogue_routes
from app.web.contract import WorkerView
from app.web.feed import Feed
from app.web.guard import ACCESS, Access, guard, protect, scoped
from app.web.keys import STALE_MS, WORKER
from app.web.questions import QUESTIONS, Connect, Questions
from app.web.responses import one_error_shape
from sinks.clickhouse.client import connect_for_questions

LARGEST_BODY = 16 * 1024
# Ids may be long, as may be a cursor that holds one, and each of their bytes takes up to three.
LONGEST_LINE = 128 * 1024


def build_web(
    worker: WorkerView,
    settings: Settings,
    connect_store: Connect = connect_for_questions,
    catalogue: Sequence[Query] = CATALOGUE,
) -> web.Application:
    """The application with all routes.

    Raises VoicemonError for an access token that is none, and for an open address without one.
    """
    leave_out_malformed_requests()
    app = web.Application(middlewares=[one_error_shape, guard], client_max_size=LARGEST_BODY)
    app.on_response_prepare.append(protect)
    app[ACCESS] = Access(settings.web)
    app[WORKER] = worker
    app[STALE_MS] = int(settings.ingest.stale_seconds * 1000)
    app[sign_in.FAILED] = sign_in.FailedSignIns(settings.web.failed_sign_ins)
    for view in (page.page, page.static_file):
        scoped(view)
    app[QUESTIONS] = Questions(settings, connect_store)
    app[stream.FEED] = Feed(worker, app[QUESTIONS], settings)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_close_questions)
    for part in (health, metrics, page, reference, resume, sign_in, stream, tables):
        app.add_routes(part.routes)
    app.add_routes(catalogue_routes(catalogue))
    return app


def new_runner(app: web.Application, shutdown_seconds: float = 1.0) -> web.AppRunner:
    """What serves the application."""
    return web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=shutdown_seconds, max_line_size=LONGEST_LINE
    )


async def _end_streams(app: web.Application) -> None:
    app[stream.FEED].stop()


async def _close_questions(app: web.Application) -> None:
    app[QUESTIONS].close()


@asynccontextmanager
async def serving(app: web.Application, settings: WebSettings) -> AsyncIterator[int]:
    """Serve while the block runs; gives the port. Raises VoicemonError if the address is not to be had."""
    runner = new_runner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise VoicemonError(
                f"port {settings.port} on {settings.host} is in use: stop what listens there or set VOICEMON_WEB_PORT"
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
