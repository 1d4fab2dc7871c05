"""`voicemon lag`: how far the workers' commits are behind the log."""

import asyncio
from typing import Annotated

import typer

from app.cli.output import print_json, print_table
from app.runtime.log_position import group_lag
from app.runtime.settings import Settings


def lag(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Show committed offset, end offset and lag in records of every partition of voice-events."""
    settings = Settings.from_environment()
    offsets = asyncio.run(group_lag(settings.kafka))
    rows = [(number, committed, end, end - committed) for number, (committed, end) in sorted(offsets.items())]
    total = sum(row[3] for row in rows)
    if as_json:
        partitions = [dict(zip(("partition", "committed", "end", "lag"), row, strict=True)) for row in rows]
        print_json({"partitions": partitions, "totalLag": total})
    else:
        print_table(f"Total lag: {total:,} records", ("Partition", "Committed", "End", "Lag"), rows)
