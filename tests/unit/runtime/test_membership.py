"""A static member whose name another one has taken."""

import asyncio
from types import SimpleNamespace

import pytest

from app.runtime.membership import watch_membership


class Coordinator:
    """The client's part that keeps a member in its group."""

    def __init__(self) -> None:
        self.member_id = "member-1"
        self.is_known = True
        self.joins = 0

    async def _do_heartbeat(self) -> bool:
        if not self.is_known:
            self.member_id = ""
        return self.is_known

    async def ensure_active_group(self, *_: object) -> str:
        self.joins += 1
        return "assignment"


@pytest.mark.parametrize(
    ("silence", "is_taken"), [(1.0, True), (30.0, False)], ids=["a moment", "longer than a session"]
)
async def test_a_dropped_member_joins_again_only_if_it_was_away(silence: float, is_taken: bool) -> None:
    coordinator, seconds, taken = Coordinator(), [0.0], []
    watch_membership(SimpleNamespace(_coordinator=coordinator), 10.0, lambda: seconds[0], lambda: taken.append(True))
    assert await coordinator._do_heartbeat()
    coordinator.is_known, seconds[0] = False, silence
    assert not await coordinator._do_heartbeat()
    assert bool(taken) == is_taken
    joining = asyncio.create_task(coordinator.ensure_active_group())
    done, _ = await asyncio.wait([joining], timeout=0.1)
    assert (bool(done), coordinator.joins) == (not is_taken, int(not is_taken))
    joining.cancel()
