"""Names of the topics, after the deployment's prefix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one deployment."""

    prefix: str = ""

    @property
    def events(self) -> str:
        """What publishers write to."""
        return f"{self.prefix}voice-events"

    @property
    def dead_letters(self) -> str:
        """Refused records with their reason."""
        return f"{self.prefix}voice-events-dead-letter"

    @property
    def organizations(self) -> str:
        """Organisation names, compacted."""
        return f"{self.prefix}voice-organizations"

    @property
    def alerts(self) -> str:
        """Alerts."""
        return f"{self.prefix}voice-alerts"
