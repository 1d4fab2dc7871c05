"""Panels as Grafana's JSON has them. A query's format is 0 for series and 1 for tables; 4 never works."""

from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.20.0"
DATASOURCE: Final[Json] = {"type": PLUGIN, "uid": "${datasource}"}
SERIES: Final = 0
TABLE: Final = 1
WIDTH: Final = 24
GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "text"
STAGE_COLORS: Final = {
    "Ingestion": "purple",
    "Transcription": "blue",
    "Claims extraction": "orange",
    "Entity resolution": "yellow",
    "Draft generation": "green",
}
"""The same stage has the same colour on every board."""
OUTCOME_COLORS: Final = {"Received": "blue", "Completed": "green", "Failed": "red"}


def tidy(sql: str) -> str:
    """The statement without what the program around it indents."""
    return "\n".join(line.strip() for line in sql.strip().splitlines())


def query(sql: str, result_format: int, ref_id: str = "A") -> Json:
    """One query of a panel; series need a first column `time` and ORDER BY it."""
    return {
        "datasource": DATASOURCE,
        "editorType": "sql",
        "format": result_format,
        "pluginVersion": PLUGIN_VERSION,
        "queryType": "timeseries" if result_format == SERIES else "table",
        "rawSql": tidy(sql),
        "refId": ref_id,
    }


def steps(*limits: tuple[float, str], base: str = GREEN) -> Json:
    """Thresholds: the base colour below the first limit, then each limit's colour from it on."""
    first = {"color": base, "value": None}
    return {"mode": "absolute", "steps": [first, *({"color": color, "value": value} for value, color in limits)]}


def override(column: str, **properties: Any) -> Json:
    """Properties of one column; `__` in a name is a dot."""
    named = [{"id": name.replace("__", "."), "value": value} for name, value in sorted(properties.items())]
    return {"matcher": {"id": "byName", "options": column}, "properties": named}


def colors(palette: dict[str, str], *columns: str) -> list[Json]:
    """Overrides that give columns their fixed colours."""
    return [override(name, color={"fixedColor": palette[name], "mode": "fixed"}) for name in columns or palette]


def link(title: str, board_uid: str, *variables: str) -> Json:
    """A link to another board over the same time; each variable is `name=value`, or `${name:queryparam}` as it is."""
    parts = [variable if variable.startswith("$") else f"var-{variable}" for variable in variables]
    address = "&".join([*parts, "${__url_time_range}", "var-datasource=${datasource}"])
    return {"targetBlank": False, "title": title, "url": f"/d/{board_uid}?{address}"}


def panel(kind: str, number: int, title: str, description: str, **parts: Any) -> Json:
    """A panel of a kind. `size` is (width, height) in a grid of 24 columns, `number` its fixed id on the board.

    `defaults` and `overrides` are its field configuration, `options` those of the kind, `interval` its least bucket.
    """
    width, height = parts["size"]
    queries: Sequence[Json] = parts["queries"]
    found: Json = {
        "datasource": DATASOURCE,
        "description": description,
        "fieldConfig": {"defaults": parts.get("defaults", {}), "overrides": list(parts.get("overrides", ()))},
        "gridPos": {"h": height, "w": width},
        "id": number,
        "options": parts["options"],
        "targets": list(queries),
        "title": title,
        "type": kind,
    }
    if "interval" in parts:
        found["interval"] = parts["interval"]
    return found


def stat(number: int, title: str, description: str, sql: str, **parts: Any) -> Json:
    """One number: that of a one-row table, or with `sparkline` the reduction of a series.

    `unit` and `thresholds` as in Grafana; `mappings` give words to values; `reduce` is the reducer's name;
    `fields` "/.*/" lets a text be the value.
    """
    is_series = parts.get("sparkline", False)
    defaults = {
        "color": {"mode": "thresholds"},
        "mappings": parts.get("mappings", []),
        "noValue": parts.get("no_value", "none"),
        "thresholds": parts.get("thresholds", steps(base=BLUE)),
        "unit": parts.get("unit", "short"),
    }
    if "decimals" in parts:
        defaults["decimals"] = parts["decimals"]
    if "links" in parts:
        defaults["links"] = parts["links"]
    options = {
        "colorMode": "value",
        "graphMode": "area" if is_series else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {
            "calcs": [parts.get("reduce", "lastNotNull")],
            "fields": parts.get("fields", ""),
            "values": False,
        },
        "showPercentChange": False,
        "textMode": "value",
        "wideLayout": True,
    }
    shape = SERIES if is_series else TABLE
    more = {"interval": "1m"} if is_series else {}
    return panel(
        "stat", number, title, description, size=parts.get("size", (4, 4)), queries=[query(sql, shape)],
        defaults=defaults, options=options, **more,
    )  # fmt: skip


def series(number: int, title: str, description: str, sql: str, **parts: Any) -> Json:
    """A chart over time: lines, or with `bars` stacked bars; `limit` draws an alert's limits as areas."""
    bars = parts.get("bars", False)
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 80 if bars else 10,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if bars else "none"},
        "thresholdsStyle": {"mode": "line+area" if "limit" in parts else "off"},
    }
    if parts.get("log", False):
        custom["scaleDistribution"] = {"log": 10, "type": "log"}
    defaults: Json = {
        "color": {"mode": "palette-classic"},
        "custom": custom,
        "min": 0,
        "noValue": "no data in this range",
        "thresholds": parts.get("limit", steps()),
        "unit": parts.get("unit", "short"),
    }
    if parts.get("log", False):
        del defaults["min"]
    options = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel(
        "timeseries", number, title, description, size=parts.get("size", (12, 8)), queries=[query(sql, SERIES)],
        defaults=defaults, overrides=parts.get("overrides", ()), options=options,
        interval=parts.get("interval", "1m"),
    )  # fmt: skip


def table(number: int, title: str, description: str, sql: str, **parts: Any) -> Json:
    """Rows in the order of the query, which must have a LIMIT."""
    defaults = {
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
        "noValue": parts.get("no_value", ""),
        "thresholds": steps(),
        "unit": parts.get("unit", "none"),
    }
    options = {"cellHeight": "sm", "showHeader": True}
    return panel(
        "table", number, title, description, size=parts.get("size", (24, 8)), queries=[query(sql, TABLE)],
        defaults=defaults, overrides=parts.get("overrides", ()), options=options,
    )  # fmt: skip


def bar_gauge(number: int, title: str, description: str, sql: str, **parts: Any) -> Json:
    """Horizontal bars, one for each number of the only row, or with `each_row` one for each row."""
    defaults = {
        "color": {"mode": "thresholds"},
        "min": 0,
        "noValue": "none",
        "thresholds": parts.get("thresholds", steps(base=BLUE)),
        "unit": parts.get("unit", "short"),
    }
    options = {
        "displayMode": "basic",
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": parts.get("each_row", False)},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    return panel(
        "bargauge", number, title, description, size=parts.get("size", (12, 8)), queries=[query(sql, TABLE)],
        defaults=defaults, overrides=parts.get("overrides", ()), options=options,
    )  # fmt: skip


def node_graph(number: int, title: str, description: str, nodes: str, edges: str, **parts: Any) -> Json:
    """Circles and arrows; `units` are those of the main and the secondary figure of a node.

    Nodes have the columns id, title, mainstat, secondarystat, arc__success and arc__errors, edges id, source, target.
    """
    main, secondary = parts["units"]
    arcs = [{"color": GREEN, "field": "arc__success"}, {"color": RED, "field": "arc__errors"}]
    options = {
        "edges": {},
        "nodes": {"arcs": arcs, "mainStatUnit": main, "secondaryStatUnit": secondary},
        "zoomMode": "cooperative",
    }
    return panel(
        "nodeGraph", number, title, description, size=parts.get("size", (12, 9)),
        queries=[query(nodes, TABLE, "nodes"), query(edges, TABLE, "edges")],
        defaults={"noValue": "none", "unit": main}, options=options,
    )  # fmt: skip
