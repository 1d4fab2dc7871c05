"""Ends of work that may not end by itself."""

import asyncio
from typing import Any


async def until_done(work: "asyncio.Future[Any]", seconds: float | None) -> bool:
    """True once the work is done, False if it was not within `seconds`; it is cancelled then and not waited for.

    Raises what the work raises.
    """
    await asyncio.wait([work], timeout=seconds)
    if not work.done():
        work.cancel()
        return False
    work.result()
    return True
