"""The form of the boards: what Grafana and its ClickHouse plugin ask of a board, and what a reader of it needs."""

import json
import re
from collections import Counter
from functools import cache
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.builder import limits
from tests.deploy.places import DEPLOY
from tests.grafana.made import Asked, Json, asked, boards, items, panels, rules, variables

UIDS = sorted(boards())
QUERIES = list(asked())
MACROS = {"$__timeFilter_ms", "$__timeInterval", "$__fromTime", "$__toTime", "$__fromTime_ms", "$__toTime_ms"}
MACROS |= {"$__interval_s", "$__conditionalAll"}
STATES = {"artifacts_live", "artifact_totals_live", "organizations_live", "monitor_live", "tables_live"}
"""Views of what is now, which a range of time does not bound."""
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and name[0].isupper()}


def board_of(uid: str) -> Json:
    return boards()[uid]


def views_of(sql: str) -> set[str]:
    return set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql)) - {"hours"}


@cache
def granted() -> set[str]:
    config = ElementTree.parse(DEPLOY / "clickhouse" / "users.d" / "voicemon.xml")  # noqa: S314 - our own file
    texts = [query.text or "" for query in config.findall("users/voicemon_reader/grants/query")]
    return {text.removeprefix("GRANT SELECT ON voicemon.") for text in texts}


def test_the_six_boards_are_there_and_found_by_their_tag() -> None:
    assert [f"voice-{name}" for name in ("artifacts", "cost", "monitor", "organisations", "overview", "stages")] == UIDS
    assert len({board["title"] for board in boards().values()}) == len(UIDS)
    for board in boards().values():
        [menu] = board["links"]
        assert set(menu["tags"]) <= set(board["tags"])
        assert menu["keepTime"] and menu["includeVars"]


@pytest.mark.parametrize("uid", UIDS)
def test_ids_are_unique_and_nothing_changes_by_itself(uid: str) -> None:
    board = board_of(uid)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid)
    assert not {"id", "version", "iteration", "__inputs"} & board.keys()
    assert board["schemaVersion"] == 41
    assert max(Counter(item["id"] for item in items(board)).values()) == 1
    for panel in panels(board):
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("uid", UIDS)
def test_panels_lie_within_the_grid_and_on_no_other(uid: str) -> None:
    cells: dict[str, list[Json]] = {"open": [], **{item["title"]: [] for item in board_of(uid)["panels"]}}
    for item in board_of(uid)["panels"]:
        cells["open"].append(item["gridPos"])
        inside = [panel["gridPos"] for panel in item.get("panels", [])]
        assert item["type"] == "row" or not inside
        assert bool(inside) == item.get("collapsed", False)
        for first, second in combinations(inside, 2):
            assert apart(first, second)
    for first, second in combinations(cells["open"], 2):
        assert apart(first, second)
    for panel in panels(board_of(uid)):
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def apart(first: Json, second: Json) -> bool:
    return (
        first["x"] + first["w"] <= second["x"]
        or second["x"] + second["w"] <= first["x"]
        or first["y"] + first["h"] <= second["y"]
        or second["y"] + second["h"] <= first["y"]
    )


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_says_what_it_shows_and_in_which_unit(uid: str) -> None:
    assert board_of(uid)["description"].endswith(".")
    for panel in panels(board_of(uid)):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert "noValue" in defaults
        found = [defaults["unit"], *(p["value"] for p in properties(panel) if p["id"] == "unit")]
        assert all(unit in UNITS or unit.startswith("time:") for unit in found), found
        names = [item["matcher"]["options"] for item in panel["fieldConfig"]["overrides"]]
        assert len(set(names)) == len(names)


def properties(panel: Json) -> list[Json]:
    return [part for item in panel["fieldConfig"]["overrides"] for part in item["properties"]]


@pytest.mark.parametrize("uid", UIDS)
def test_only_the_variable_names_the_data_source(uid: str) -> None:
    first, *others = variables(board_of(uid))
    assert (first["type"], first["name"], first["query"]) == (
        "datasource",
        "datasource",
        "grafana-clickhouse-datasource",
    )
    wanted = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    sources = [variable["datasource"] for variable in others if variable["type"] == "query"]
    sources += [annotation["datasource"] for annotation in board_of(uid)["annotations"]["list"][1:]]
    for panel in panels(board_of(uid)):
        sources += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == wanted for source in sources)


@pytest.mark.parametrize("uid", UIDS)
def test_variables_that_are_used_exist_and_those_that_exist_are_used(uid: str) -> None:
    board = board_of(uid)
    known = {variable["name"] for variable in variables(board)}
    text = json.dumps([board["panels"], board["annotations"], [v.get("query") for v in variables(board)]])
    used = set(re.findall(r"\$\{(\w+)[:.}]", text)) | set(re.findall(r", \$(\w+)\)", text))
    assert {name for name in used if not name.startswith("__")} == known
    assert not re.search(r"'\$\{|\$\{\w+\}'", text), "a quoted variable is not escaped"
    assert set(re.findall(r"\$\{(\w+):(\w+)\}", text)) <= {(n, f) for n in known for f in ("singlequote", "queryparam")}


@pytest.mark.parametrize("uid", UIDS)
def test_links_lead_to_boards_and_set_variables_that_these_have(uid: str) -> None:
    for address in re.findall(r'"url": "(/d/[^"]+)"', json.dumps(board_of(uid)["panels"])):
        found = re.fullmatch(r"/d/([\w-]+)\?(.+)", address)
        assert found is not None
        known = {variable["name"] for variable in variables(board_of(found[1]))}
        assert set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", found[2])) <= {
            pair for name in known for pair in ((name, ""), ("", name))
        }
        assert "${__url_time_range}" in found[2]


@pytest.mark.parametrize("uid", UIDS)
def test_every_board_shows_alerts_and_the_circuit_breaker(uid: str) -> None:
    alerts, *others = board_of(uid)["annotations"]["list"]
    assert (alerts["builtIn"], alerts["type"]) == (1, "dashboard")
    assert {annotation["name"] for annotation in others} == {"Circuit breaker", "Budgets and limits"}
    assert all(annotation["enable"] for annotation in (alerts, *others))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_queries_have_only_what_the_plugin_can_do(query: Asked) -> None:
    sql = query.sql
    assert query.format in {0, 1}
    assert "--" not in sql and "/*" not in sql
    assert set(re.findall(r"\$__\w+", sql)) <= MACROS
    assert not re.search(r"(?<!_ms)\((?:ts|\w+Time)\) AND", sql.replace("$__timeInterval", "")), (
        "only _ms keeps the end"
    )
    assert views_of(sql) <= granted()
    if query.format == 0:
        assert re.search(r"\nORDER BY time\b", sql)
    if not query.in_browser:
        assert "conditionalAll" not in sql and "${" not in sql


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_queries_are_bounded_in_time_and_rows(query: Asked) -> None:
    assert re.search(r"\$__timeFilter_ms\(|\$__toTime", query.sql) or views_of(query.sql) <= STATES
    is_list = query.panel is None or query.panel["type"] == "table" or query.panel["options"].get("values")
    if query.in_browser and is_list:
        assert re.search(r"LIMIT \d{1,4}$", query.sql)


@pytest.mark.parametrize("uid", UIDS)
def test_targets_say_the_same_twice_where_grafana_wants_it_twice(uid: str) -> None:
    for panel in panels(board_of(uid)):
        for target in panel["targets"]:
            assert target["editorType"] == "sql"
            assert (target["format"], target["queryType"]) in {(0, "timeseries"), (1, "table")}


def test_platform_rows_and_rows_of_organisations_are_never_added_up() -> None:
    for query in QUERIES:
        by_choice = r"if\(\$__conditionalAll\(0, \$org\), 'platform', 'org'\)"
        scoped = re.findall(rf"scope = '(?:platform|org)'|scope\)? = {by_choice}", query.sql)
        assert len(scoped) == len(re.findall(r"FROM (?:snapshots|minute)_", query.sql))


def test_thresholds_stand_at_the_limits_of_the_alerts() -> None:
    for rule in rules():
        panel = next(item for item in panels(board_of(rule["dashboardUid"])) if item["id"] == rule["panelId"])
        limit = rule["data"][1]["model"]["conditions"][0]["evaluator"]["params"][0]
        shown = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        factor = 60 if panel["fieldConfig"]["defaults"]["unit"] == "s" else 1
        # Whole numbers: what is above 0 is 1 or more. The circuit breaker has words instead.
        assert limit * factor in shown or limit + 1 in shown or panel["fieldConfig"]["defaults"]["mappings"]


def test_the_limits_are_those_of_the_domain() -> None:
    assert (limits.FAILURE_RATE, limits.FAILURE_RATE_CRITICAL, limits.FEWEST_FINISHED) == (0.10, 0.25, 5)
    assert (limits.LATENCY_RATIO, limits.FEWEST_HOURS) == (2.0, 6)
    assert (limits.QUEUE_DEPTH, limits.OPEN_DISAMBIGUATIONS) == (50, 100)
    assert (limits.SILENT_MINUTES, limits.STUCK_MINUTES, limits.OVERDUE_MINUTES) == (60, 5, 60)


@pytest.mark.parametrize("uid", UIDS)
def test_grafanas_own_model_knows_every_key(uid: str) -> None:
    register_default_plugins()
    board = board_of(uid)
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert lost(board, again) == []


def lost(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Paths of what is in ours and not, or otherwise, in theirs; theirs may have more."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            found
            for key, value in ours.items()
            for found in (lost(value, theirs[key], f"{path}/{key}") if key in theirs else [f"{path}/{key}"])
            if value is not None
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            found
            for at, (one, other) in enumerate(zip(ours, theirs, strict=True))
            for found in lost(one, other, f"{path}/{at}")
        ]
    return [] if ours == theirs else [path]


def test_a_key_that_grafana_does_not_know_is_found() -> None:
    register_default_plugins()
    board = json.loads(json.dumps(board_of("voice-overview")))
    panel = next(item for item in board["panels"] if item["type"] == "timeseries")
    panel["fieldConfig"]["defaults"]["custom"]["drawStile"] = "bars"
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert [path.rsplit("/", 1)[-1] for path in lost(board, again)] == ["drawStile"]


@pytest.mark.parametrize("uid", UIDS)
def test_words_for_looks_are_words_that_grafana_has(uid: str) -> None:
    for panel in panels(board_of(uid)):
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        if panel["type"] == "timeseries":
            assert common.GraphDrawStyle(custom["drawStyle"])
            assert common.StackingMode(custom["stacking"]["mode"])
            assert common.GraphThresholdsStyleMode(custom["thresholdsStyle"]["mode"])
        for cells in (p["value"] for p in properties(panel) if p["id"] == "custom.cellOptions"):
            assert common.TableCellDisplayMode(cells["type"])
