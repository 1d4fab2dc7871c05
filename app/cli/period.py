"""Points in time on the command line."""

from datetime import UTC, datetime

import typer


def parse_time(text: str) -> int:
    """Epoch milliseconds of `2026-02-15`, `2026-02-15T14:00`, with or without an offset (UTC if none), or of digits.

    Raises typer.BadParameter otherwise.
    """
    if text.isdecimal() and text.isascii():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time: use 2026-02-15, 2026-02-15T14:00 or epoch milliseconds"
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def check_order(from_ms: int | None, to_ms: int | None) -> None:
    """Raises typer.BadParameter for a range that ends before it begins; either end may be open."""
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        raise typer.BadParameter("--to must be later than --from")


def show_time(moment_ms: int) -> str:
    """UTC time to the minute, as `parse_time` reads it."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def show_moment(moment_ms: int) -> str:
    """UTC time to the second."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
