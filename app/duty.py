"""One worker at a time keeps what is derived from the stored rows: snapshots, minutes, artifacts, copies.

It is the owner of the first partition of `voice-events`, so the consumer group sees to it that there is one, and that
another one follows if it dies. For a moment two may be at it, or none: every job is safe against both.
"""

import asyncio
from collections.abc import Callable
from typing import Final

FIRST_PARTITION: Final = 0
LOOK_SECONDS: Final = 0.5
IsOnDuty = Callable[[], bool]


async def until_on_duty(is_on_duty: IsOnDuty) -> None:
    """Return at once, or as soon as this worker is the one."""
    while not is_on_duty():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(LOOK_SECONDS)
