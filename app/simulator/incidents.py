"""What happens to no single artifact: breaker, budget, rate limits."""

import random

from app.simulator.steps import INCIDENT_MS, Step, draw_ms

KINDS = ("rate_limit", "breaker", "budget")


def incident_steps(rng: random.Random, number: int) -> list[Step]:
    """The events of the `number`-th incident; the kinds take turns."""
    kind = KINDS[number % len(KINDS)]
    if kind == "rate_limit":
        return [rate_limit_step()]
    later = draw_ms(rng, INCIDENT_MS)
    if kind == "breaker":
        error = {"newStatus": "open", "errorMessage": "5 failures in a row from the model service"}
        return [
            Step("circuit_breaker_opened", 0.0, fields=error),
            Step("circuit_breaker_closed", later, fields={"newStatus": "closed"}),
        ]
    return [Step("budget_threshold_reached", 0.0), Step("budget_exceeded", later)]


def rate_limit_step() -> Step:
    """One blocked call."""
    return Step("rate_limit_hit", 0.0, fields={"errorMessage": "more than 60 calls a minute"})
