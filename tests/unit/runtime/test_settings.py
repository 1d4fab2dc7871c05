"""Bounds that keep promises."""

import pytest
from pydantic import ValidationError

from app.runtime.settings import RollupSettings


def test_an_hour_has_its_snapshot_half_an_hour_later_whatever_is_set() -> None:
    assert RollupSettings(interval_seconds=1800).interval_seconds == 1800
    with pytest.raises(ValidationError, match="less than or equal to 1800"):
        RollupSettings(interval_seconds=1801)
