"""The checked-in boards and alert rules, and every query in them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.deploy.places import DEPLOY

GRAFANA = DEPLOY / "grafana"
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A query: where it stands, its text, its format (0 series, 1 table), the length of its range, and whether the
    browser expands it."""

    place: str
    sql: str
    format: int
    seconds: int
    panel: Json | None = None
    in_browser: bool = True


@cache
def boards() -> dict[str, Json]:
    paths = sorted((GRAFANA / "dashboards").rglob("*.json"))
    return {board["uid"]: board for board in (json.loads(path.read_text(encoding="utf-8")) for path in paths)}


@cache
def provisioned(path: str) -> Json:
    document: Json = yaml.safe_load((GRAFANA / path).read_text(encoding="utf-8"))
    return document


def rules() -> list[Json]:
    [group] = provisioned("provisioning/alerting/rules.yaml")["groups"]
    found: list[Json] = group["rules"]
    return found


def items(board: Json) -> list[Json]:
    """Headings and panels, those of collapsed rows, too."""
    return [inner for item in board["panels"] for inner in [item, *item.get("panels", [])]]


def panels(board: Json) -> list[Json]:
    return [item for item in items(board) if item["type"] != "row"]


def panel(board_uid: str, number: int) -> Json:
    return next(item for item in panels(boards()[board_uid]) if item["id"] == number)


def variables(board: Json) -> list[Json]:
    found: list[Json] = board["templating"]["list"]
    return found


def asked() -> Iterator[Asked]:
    """Every query of a panel, variable, annotation and alert rule."""
    for uid, board in boards().items():
        for item in panels(board):
            for target in item["targets"]:
                place = f"{uid}/{item['id']} {item['title']}"
                yield Asked(place, target["rawSql"], target["format"], opened_for(board), item)
        yield from _around(uid, board)
    for rule in rules():
        model = rule["data"][0]["model"]
        seconds = rule["data"][0]["relativeTimeRange"]["from"]
        yield Asked(f"rule {rule['title']}", model["rawSql"], model["format"], seconds, in_browser=False)


def opened_for(board: Json) -> int:
    """Seconds of the range that the board opens with."""
    return int(board["time"]["from"].removeprefix("now-").removesuffix("h")) * 3600


def _around(uid: str, board: Json) -> Iterator[Asked]:
    for variable in variables(board):
        if variable["type"] == "query":
            yield Asked(f"{uid}/${variable['name']}", variable["query"]["rawSql"], 1, opened_for(board))
    for annotation in board["annotations"]["list"]:
        if "target" in annotation:
            target = annotation["target"]
            yield Asked(f"{uid}/{annotation['name']}", target["rawSql"], target["format"], opened_for(board))
