"""Static membership: a worker notices that another one has taken its place in the group."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer

from app.runtime.errors import VoicemonError


class InstanceTaken(VoicemonError):
    """Another worker has joined the group under this worker's name; starting again would take the place from it."""

    exit_code = 2


def watch_membership(
    consumer: AIOKafkaConsumer, session_seconds: float, now: Callable[[], float], on_taken: Callable[[], None]
) -> None:
    """Call `on_taken` when the group has dropped a member that was in it a moment ago.

    The broker then knows the name under another member id. The client would join again and take the place back, and
    the two would go on like this for ever. A member that was away for longer than its session is no such case.
    """
    coordinator = consumer._coordinator
    beat, join, last_good = coordinator._do_heartbeat, coordinator.ensure_active_group, now()
    is_taken = asyncio.Event()

    async def watched() -> bool:
        nonlocal last_good
        member_id = coordinator.member_id
        is_good: bool = await beat()
        if is_good:
            last_good = now()
        elif member_id and not coordinator.member_id and now() - last_good < session_seconds:
            is_taken.set()
            on_taken()
        return is_good

    async def joined(*arguments: Any) -> Any:
        if is_taken.is_set():
            await asyncio.Event().wait()  # until the client stops: joining would throw the other one out
        return await join(*arguments)

    coordinator._do_heartbeat = watched
    coordinator.ensure_active_group = joined
