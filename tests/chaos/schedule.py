"""What is done, when and to whom: all of it follows from the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

KILLS = {"kill worker": 5.0, "kill kafka": 2.0, "kill clickhouse": 2.0}
JOIN, LEAVE, FREEZE = 2.5, 1.5, 0.7


@dataclass(frozen=True)
class Plan:
    """How much chaos: `kills` by SIGKILL, seconds between two actions, records a second, places for workers.

    Each kind of kill comes at least once. Between kills workers join and leave; with `freezes` one is also stopped for
    longer than its session lasts.
    """

    kills: int
    seed: int
    pause: tuple[float, float] = (1.0, 5.0)
    rate: float = 300.0
    session_seconds: float = 6.0
    freezes: bool = True
    slots: int = 3


@dataclass(frozen=True)
class Action:
    """After `pause` seconds do `name` to the worker in `slot`; a killed service is away for `away` seconds."""

    pause: float
    name: str
    slot: int
    away: float


def schedule(plan: Plan) -> Iterator[Action]:
    """The actions of a plan, beginning with one worker in slot 0."""
    draw = random.Random(plan.seed)
    wanted = {0}
    first_kills = draw.sample(list(KILLS), len(KILLS))
    kills = 0
    while kills < plan.kills:
        name = _next(draw, plan, len(wanted))
        if name in KILLS:
            name = first_kills[kills] if kills < len(first_kills) else name
            kills += 1
        if name == "join":
            slot = draw.choice(sorted(set(range(plan.slots)) - wanted))
            wanted.add(slot)
        else:
            slot = draw.choice(sorted(wanted))
        if name == "leave":
            wanted.remove(slot)
        yield Action(draw.uniform(*plan.pause), name, slot, draw.uniform(0, 3))


def _next(draw: random.Random, plan: Plan, wanted: int) -> str:
    weights = dict(KILLS)
    if wanted < plan.slots:
        weights["join"] = JOIN
    if wanted > 1:
        weights["leave"] = LEAVE
    if plan.freezes:
        weights["freeze"] = FREEZE
    return draw.choices(list(weights), list(weights.values()))[0]
