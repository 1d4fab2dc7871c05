"""What every view finds in its application."""

from aiohttp import web

from app.web.contract import WorkerView

WORKER: web.AppKey[WorkerView] = web.AppKey("worker", WorkerView)
STALE_MS: web.AppKey[int] = web.AppKey("stale_ms", int)
