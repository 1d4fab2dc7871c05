"""What a simulation can be asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """Rates are fractions 0..1, except `rate`.

    `rate` records a second are sent, resends included, for `seconds` (None: without end). `failure_rate` of the
    artifacts fail at some stage, `late_rate` of them are sent two minutes to 46 hours after they happened, and
    `duplicate_rate` of the events are sent once more. Raises ValueError for values that make no simulation.
    """

    rate: float = 50.0
    seconds: float | None = 30.0
    organisations: int = 5
    seed: int = 1
    failure_rate: float = 0.05
    duplicate_rate: float = 0.0
    late_rate: float = 0.0

    def __post_init__(self) -> None:
        if self.rate <= 0 or (self.seconds is not None and self.seconds <= 0):
            raise ValueError("rate and seconds are greater than 0")
        if self.organisations < 1:
            raise ValueError("a simulation has at least one organisation")
        for name in ("failure_rate", "duplicate_rate", "late_rate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a fraction between 0 and 1")

    @property
    def records(self) -> int | None:
        """How many records a whole simulation sends, or None without end."""
        return None if self.seconds is None else max(1, round(self.rate * self.seconds))
