"""Limits of the alerts: an alert fires above its limit. Panels that show the same figure have their threshold there."""

from typing import Final

FAILURE_RATE: Final = 0.10
FAILURE_RATE_CRITICAL: Final = 0.25
# Rates of fewer artifacts say nothing.
FEWEST_FINISHED: Final = 5
LATENCY_RATIO: Final = 2.0
# Hours with samples that the mean of the 168 hours before is worth something with.
FEWEST_HOURS: Final = 6
QUEUE_DEPTH: Final = 50
OPEN_DISAMBIGUATIONS: Final = 100
SILENT_MINUTES: Final = 60
STUCK_MINUTES: Final = 5
STUCK_ARTIFACTS: Final = 0
BREAKER_CLOSED: Final = 0
OVERDUE_MINUTES: Final = 60
