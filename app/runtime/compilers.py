"""What lets ClickHouse compile what it has worked out some times: a short question waits for the compiler."""

from typing import Final

COMPILERS: Final = ("compile_expressions", "compile_aggregate_expressions", "compile_sort_description")
"""Settings: 0 for never."""
