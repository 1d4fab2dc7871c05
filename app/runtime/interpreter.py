"""How the interpreter runs a worker: garbage, event loops."""

import asyncio
import gc

import uvloop

THRESHOLDS = (100_000, 50, 50)


def loop_fast() -> None:
    """Make every event loop from now on one of uvloop's."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def collect_rarely() -> None:
    """Look for cycles of garbage rarely from now on.

    Rows and ids live for seconds or days; looking through all of them every few thousand objects costs a third of the
    counting speed, and hardly any of them is part of a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
