"""The page and its made-up API on a port: `python -m tests.browser.serving PORT`, for work on the page's looks."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from aiohttp import web

from app.web import page
from tests.browser.fake_api import Trouble, application
from tests.browser.world import World


@contextmanager
def served(app: web.Application) -> Iterator[str]:
    """Serve from a thread while the block runs; gives the address."""
    loop, address = asyncio.new_event_loop(), Future[str]()

    async def serve(stop: asyncio.Event) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await stop.wait()
        await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(stop)), daemon=True)
    thread.start()
    try:
        yield address.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


if __name__ == "__main__":
    page.page_files = page.page_files.__wrapped__  # type: ignore[attr-defined]  # files change while one works on them
    now = time.time_ns() // 1_000_000
    web.run_app(application(World(now), Trouble()), host="127.0.0.1", port=int(sys.argv[1]), print=None)
