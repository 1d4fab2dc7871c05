"""Expands a query as Grafana's browser side and the ClickHouse plugin do: exactly the macros that our queries use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

EVERYTHING = ("$__all",)


@dataclass(frozen=True)
class Moment:
    """A range of time in milliseconds, and the length of a bucket in seconds."""

    from_ms: int
    to_ms: int
    interval_s: int = 60


@dataclass(frozen=True)
class Chosen:
    """Values of the variables: of a choice a tuple, all of them at first, of a text box a text."""

    values: Mapping[str, tuple[str, ...] | str] = field(default_factory=dict)

    def is_all(self, name: str) -> bool:
        return self.values[name] in (EVERYTHING, "")

    def quoted(self, name: str) -> str:
        """What `:singlequote` makes of it."""
        value = self.values[name]
        texts = [value] if isinstance(value, str) else value
        return ",".join("'" + text.replace("'", "\\'") + "'" for text in texts)


def expand(sql: str, moment: Moment, chosen: Chosen | None = None) -> str:
    """The statement that ClickHouse gets; without `chosen` as for an alert. Raises ValueError if a `$` is left."""
    expanded = _in_browser(sql, chosen) if chosen else sql
    for name, text in _words(moment).items():
        expanded = re.sub(rf"\$__{name}\b", text, expanded)
    for name, function in _calls(moment).items():
        expanded = _call(expanded, f"$__{name}(", function)
    if "$" in expanded:
        raise ValueError(f"not expanded: {expanded[expanded.index('$') :][:60]}")
    return expanded


def _in_browser(sql: str, chosen: Chosen) -> str:
    def conditional(arguments: str) -> str:
        condition, comma, variable = arguments.rpartition(",")
        if not comma or _has_top_level_comma(condition) or not re.fullmatch(r" \$\w+", variable):
            raise ValueError(f"the plugin does not expand $__conditionalAll({arguments})")
        return "1=1" if chosen.is_all(variable.removeprefix(" $")) else condition

    expanded = _call(sql, "$__conditionalAll(", conditional)
    return re.sub(r"\$\{(\w+):singlequote\}", lambda found: chosen.quoted(found[1]), expanded)


def _words(moment: Moment) -> dict[str, str]:
    return {
        "fromTime_ms": f"fromUnixTimestamp64Milli({moment.from_ms})",
        "toTime_ms": f"fromUnixTimestamp64Milli({moment.to_ms})",
        "fromTime": f"toDateTime({moment.from_ms // 1000})",
        "toTime": f"toDateTime({moment.to_ms // 1000})",
        "interval_s": str(moment.interval_s),
    }


def _calls(moment: Moment) -> dict[str, Callable[[str], str]]:
    first, last = (f"fromUnixTimestamp64Milli({ms})" for ms in (moment.from_ms, moment.to_ms))
    return {
        "timeFilter_ms": lambda column: f"{column} >= {first} AND {column} <= {last}",
        "timeInterval": lambda column: f"toStartOfInterval(toDateTime({column}), INTERVAL {moment.interval_s} second)",
    }


def _call(sql: str, opening: str, function: Callable[[str], str]) -> str:
    """Every call of a macro replaced, the last first, as the plugin does."""
    while (start := sql.rfind(opening)) >= 0:
        end = _closing(sql, start + len(opening))
        sql = sql[:start] + function(sql[start + len(opening) : end]) + sql[end + 1 :]
    return sql


def _closing(sql: str, start: int) -> int:
    depth = 1
    for at in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        if depth == 0:
            return at
    raise ValueError("missing close bracket")


def _has_top_level_comma(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            return True
    return False
