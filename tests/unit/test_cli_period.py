import pytest
import typer

from app.cli.period import parse_time, show_time

MIDNIGHT = 1771113600000


@pytest.mark.parametrize(
    ("text", "moment_ms"),
    [
        ("2026-02-15", MIDNIGHT),
        ("2026-02-15T14:30", MIDNIGHT + 52_200_000),
        ("2026-02-15T14:30:00Z", MIDNIGHT + 52_200_000),
        ("2026-02-15T01:00+01:00", MIDNIGHT),
        ("1771113600000", MIDNIGHT),
    ],
)
def test_a_time_without_an_offset_is_utc(text: str, moment_ms: int) -> None:
    assert parse_time(text) == moment_ms


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "2026-13-01", "١٢٣"])
def test_what_is_no_time_is_wrong_use(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        parse_time(text)


def test_a_shown_time_is_read_back() -> None:
    assert parse_time(show_time(MIDNIGHT + 60_000)) == MIDNIGHT + 60_000
