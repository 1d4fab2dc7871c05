"""How often the table of artifacts is brought up to date."""

import pytest

from app.artifact_refresh import PACE


@pytest.mark.parametrize(
    ("look", "rest"),
    [(0.0, 1.0), (0.2, 1.0), (0.5, 2.0), (0.75, 3.0), (4.0, 3.0), (60.0, 3.0)],
)
def test_a_slow_look_is_rested_after_but_never_for_long(look: float, rest: float) -> None:
    assert PACE.rest_seconds(look) == rest
