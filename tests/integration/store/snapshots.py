"""What tests of roll-ups share: a clock, a store that refuses periods, and the snapshots that a store shows."""

from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from agents.roll_up import RollUp, RollUpResult

HOUR = 3_600_000
DAY = 24 * HOUR
MIDNIGHT = 1771113600000  # 2026-02-15T00:00Z
IDENTITY = {"organizationId", "periodStart", "periodEnd", "periodType"}


@dataclass
class ManualClock:
    now: int

    def now_ms(self) -> int:
        return self.now


@dataclass
class Refusing:
    """The store, except that it refuses to compute periods that start at `start_s`."""

    client: Client
    start_s: int
    error: Exception = field(default_factory=lambda: DatabaseError("Memory limit exceeded", code=241))

    def query(self, *arguments: Any, **named: Any) -> Any:
        return self.client.query(*arguments, **named)

    def command(self, statement: str, parameters: dict[str, Any]) -> Any:
        if self.start_s in parameters.get("hours", parameters.get("days", [])):
            raise self.error
        return self.client.command(statement, parameters=parameters)

    def close(self) -> None:
        self.client.close()


def run(roll_up: RollUp, clock: ManualClock) -> RollUpResult:
    return roll_up.run_once(clock.now)


def rows(client: Client, period_type: str) -> dict[tuple[int, str], dict[str, Any]]:
    question = f"SELECT *, toUnixTimestamp(periodStart) * 1000 AS start_ms FROM snapshots_{period_type}_figures"
    found = list(client.query(question).named_results())
    listed = [(int(row["start_ms"]), row["organizationId"]) for row in found]
    assert len(set(listed)) == len(listed), "one row per period and scope"
    return dict(zip(listed, found, strict=True))


def differences(client: Client, expected: dict[str, Any], period_type: str) -> list[Any]:
    wanted = {(row["periodStart"], row.get("organizationId", "")): row for row in expected[f"{period_type}Snapshots"]}
    found = rows(client, period_type)
    assert found.keys() == wanted.keys()
    return [
        (key, name, found[key][name], value)
        for key, row in wanted.items()
        for name, value in row.items()
        if name not in IDENTITY and abs(found[key][name] - value) > 1e-6
    ]
