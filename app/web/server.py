"""The worker's web server: JSON API, table views, health and metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from app.runtime.errors import VoicemonError
from app.runtime.settings import WebSettings
from app.web import health, metrics, page, tables
from app.web.contract import WorkerView
from app.web.keys import STALE_MS, WORKER
from app.web.responses import one_error_shape

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def build_web(worker: WorkerView, stale_ms: int) -> web.Application:
    """The application with all routes."""
    app = web.Application(middlewares=[one_error_shape])
    app[WORKER] = worker
    app[STALE_MS] = stale_ms
    app.add_routes([*health.routes, *metrics.routes, *page.routes, *tables.routes])
    return app


@asynccontextmanager
async def serving(app: web.Application, settings: WebSettings) -> AsyncIterator[int]:
    """Serve while the block runs; gives the port. Raises VoicemonError if the address is not to be had."""
    if settings.host not in LOOPBACK:
        raise VoicemonError(
            f"the worker listens on loopback only, not on {settings.host}: set VOICEMON_WEB_HOST=127.0.0.1"
        )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
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
