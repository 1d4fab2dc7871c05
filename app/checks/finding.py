"""What a check of the settings found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried; `problem` says what is wrong and what to do, empty if it is right."""

    part: str
    tried: str
    problem: str = ""
