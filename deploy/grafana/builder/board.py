"""The frame of a board: layout, variables, annotations, links."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from deploy.grafana.builder.panels import DATASOURCE, PLUGIN, TABLE, WIDTH, Json, query, tidy
from deploy.grafana.builder.sql import BREAKER, BUDGETS
from sinks.clickhouse.formulas import BREAKER_STATE

SCHEMA_VERSION: Final = 41
TAG: Final = "voice-monitor"
FIRST_ROW_ID: Final = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; a collapsed row asks nothing until it is opened."""

    title: str
    panels: Sequence[Json]
    collapsed: bool = False


DATASOURCE_VARIABLE: Final[Json] = {
    "current": {"selected": False, "text": "ClickHouse", "value": "clickhouse"},
    "hide": 0,
    "includeAll": False,
    "label": "Data source",
    "multi": False,
    "name": "datasource",
    "options": [],
    "query": PLUGIN,
    "refresh": 1,
    "regex": "",
    "skipUrlSync": False,
    "type": "datasource",
}

# Organisations with a minute or a snapshot in the range; the value is the id, the label the name.
ORGANIZATIONS_SQL: Final = """
SELECT organizationId AS value, if(name = '', organizationId, name) AS label
FROM (
    SELECT organizationId FROM minute_counts_live
    WHERE scope = 'org' AND minute >= toStartOfMinute($__fromTime) AND minute <= $__toTime
    UNION DISTINCT
    SELECT organizationId FROM snapshots_live
    WHERE scope = 'org' AND periodStart >= toStartOfDay($__fromTime, 'UTC') AND periodStart <= $__toTime
) AS found
LEFT JOIN (SELECT organizationId AS known, name FROM organizations_live) AS names ON known = organizationId
ORDER BY label, value
LIMIT 1000"""


def choice(name: str, label: str, sql: str) -> Json:
    """A variable of several values out of a query, all of them at first."""
    return {
        "allValue": None,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "definition": tidy(sql),
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {"editorType": "sql", "queryType": "sql", "rawSql": tidy(sql), "refId": "var"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def fixed_choice(name: str, label: str, values: Sequence[str]) -> Json:
    """A variable of several of the values, all of them at first."""
    return {
        "allValue": None,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": ",".join(values),
        "skipUrlSync": False,
        "type": "custom",
    }


def text_box(name: str, label: str, description: str) -> Json:
    """A variable that somebody types in; empty at first."""
    return {
        "current": {"selected": True, "text": "", "value": ""},
        "description": description,
        "hide": 0,
        "label": label,
        "name": name,
        "options": [{"selected": True, "text": "", "value": ""}],
        "query": "",
        "skipUrlSync": False,
        "type": "textbox",
    }


ORG_VARIABLE: Final = choice("org", "Organisation", ORGANIZATIONS_SQL)


def _annotation(name: str, color: str, sql: str) -> Json:
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "name": name,
        "target": query(sql, TABLE, "anno"),
    }


ANNOTATIONS: Final[list[Json]] = [
    {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": False,
        "iconColor": "orange",
        "name": "Alerts",
        "type": "dashboard",
    },
    _annotation(
        "Circuit breaker",
        "red",
        f"""
        SELECT ts AS time, concat('Circuit breaker ', {BREAKER_STATE}) AS title, errorMessage AS text, 'breaker' AS tags
        FROM event_copies_live
        WHERE $__timeFilter_ms(ts) AND {BREAKER}
        ORDER BY time DESC, log_order DESC
        LIMIT 1 BY eventId
        LIMIT 100
        """,
    ),
    _annotation(
        "Budgets and limits",
        "yellow",
        f"""
        SELECT ts AS time, replaceAll(toString(eventType), '_', ' ') AS title,
            concat(organizationId, ' ', errorMessage) AS text, 'budget' AS tags
        FROM event_copies_live
        WHERE $__timeFilter_ms(ts) AND {BUDGETS}
        ORDER BY time DESC, log_order DESC
        LIMIT 1 BY eventId
        LIMIT 100
        """,
    ),
]

LINKS: Final[list[Json]] = [
    {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "Voice pipeline",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }
]


def board(  # noqa: PLR0913, PLR0917  (a board has these parts)
    uid: str, title: str, description: str, rows: Sequence[Row], variables: Sequence[Json], since: str = "now-6h"
) -> Json:
    """A whole board, opened at the time from `since` to now; the first variable is always the data source."""
    return {
        "annotations": {"list": ANNOTATIONS},
        "description": description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": LINKS,
        "panels": _placed(rows),
        "preload": False,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {"list": [DATASOURCE_VARIABLE, *variables]},
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": title,
        "uid": uid,
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Headings and panels from top to bottom; a line of panels is as high as its highest."""
    found: list[Json] = []
    y = 0
    for number, row in zip(count(FIRST_ROW_ID), rows, strict=False):
        inside, below = _lines(row.panels, y + 1)
        heading: Json = {
            "collapsed": row.collapsed,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            "id": number,
            "panels": inside if row.collapsed else [],
            "title": row.title,
            "type": "row",
        }
        found += [heading] if row.collapsed else [heading, *inside]
        y = y + 1 if row.collapsed else below
    return found


def _lines(panels: Sequence[Json], y: int) -> tuple[list[Json], int]:
    """The panels side by side from y on, and the first free line."""
    found: list[Json] = []
    x = height = 0
    for panel in panels:
        size: dict[str, Any] = panel["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        found.append(panel | {"gridPos": {**size, "x": x, "y": y}})
        x += size["w"]
        height = max(height, size["h"])
    return found, y + height
