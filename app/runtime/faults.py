"""Fault points: places where a test lets the process die, to see what a crash there leaves behind."""

import os
from enum import StrEnum

from app.runtime.settings import FaultSettings

EXIT_CODE = 137


class FaultPoint(StrEnum):
    """Before and after each step that makes something durable."""

    BEFORE_DEAD_LETTERS = "before_dead_letters"
    AFTER_DEAD_LETTERS = "after_dead_letters"
    BEFORE_SINK_CONFIRMATION = "before_sink_confirmation"
    AFTER_SINK_CONFIRMATION = "after_sink_confirmation"
    BEFORE_CHANGELOG = "before_changelog"
    IN_CHANGELOG = "in_changelog"
    AFTER_CHANGELOG = "after_changelog"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"


class Faults:
    """Kills this process as SIGKILL would, at the point and pass that the settings name; does nothing otherwise."""

    def __init__(self, settings: FaultSettings) -> None:
        self._point = settings.point
        self._left = settings.passes

    def is_set(self, point: FaultPoint) -> bool:
        """True if the process is to die at this point."""
        return point == self._point

    def reach(self, point: FaultPoint) -> None:
        """Pass a fault point, or die there."""
        if point == self._point:
            if self._left == 0:
                os._exit(EXIT_CODE)
            self._left -= 1
