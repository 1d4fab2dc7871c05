"""What Grafana reads at its start: one bad alert rule makes it refuse the whole file."""

import re

import pytest

from tests.deploy.places import ROOT
from tests.grafana.made import GRAFANA, Json, boards, panels, provisioned, rules

RULES = rules()
[SOURCE] = provisioned("provisioning/datasources/clickhouse.yaml")["datasources"]


def test_the_data_source_has_the_keys_that_the_plugin_reads() -> None:
    assert SOURCE["type"] == "grafana-clickhouse-datasource"
    assert isinstance(SOURCE["jsonData"]["port"], int)
    assert {"host", "port", "protocol", "defaultDatabase", "username"} <= SOURCE["jsonData"].keys()
    assert not {"server", "timeout", "database", "url"} & SOURCE["jsonData"].keys(), "names of an older plugin"
    # Never more than the read-only user may ask for; the plugin adds some seconds of its own.
    assert int(SOURCE["jsonData"]["queryTimeout"]) + 5 <= 300


def test_boards_open_with_the_data_source_that_is_provisioned() -> None:
    for board in boards().values():
        assert board["templating"]["list"][0]["current"]["value"] == SOURCE["uid"]


def test_the_folders_on_disk_are_those_in_grafana() -> None:
    [provider] = provisioned("provisioning/dashboards/voice-pipeline.yaml")["providers"]
    assert provider["options"]["foldersFromFilesStructure"] is True
    assert not {"folder", "folderUid"} & provider.keys()
    folders = {path.parent.name for path in (GRAFANA / "dashboards").rglob("*.json")}
    [group] = provisioned("provisioning/alerting/rules.yaml")["groups"]
    assert folders == {group["folder"]}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["title"])
def test_rules_have_the_form_that_grafana_accepts(rule: Json) -> None:
    asked, threshold = rule["data"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", rule["uid"])
    assert rule["condition"] == threshold["refId"]
    assert all(re.fullmatch(r"\d+[smh]", rule[name]) for name in ("for", "keepFiringFor"))
    assert rule["noDataState"] in {"NoData", "Alerting", "OK", "KeepLast"}
    assert rule["execErrState"] in {"Error", "Alerting", "OK", "KeepLast"}
    assert asked["datasourceUid"] == SOURCE["uid"]
    assert asked["model"]["format"] == 1
    assert asked["model"]["intervalMs"] >= 60_000, "the default of 1,000 would make buckets of a second"
    assert asked["relativeTimeRange"]["from"] > asked["relativeTimeRange"]["to"]
    assert threshold["datasourceUid"] == "__expr__"
    assert threshold["model"]["expression"] == asked["refId"]
    assert threshold["model"]["conditions"][0]["evaluator"]["type"] == "gt"


def test_rules_are_told_apart_and_stand_on_panels_that_exist() -> None:
    assert len({rule["uid"] for rule in RULES}) == len({rule["title"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["panelId"] in {panel["id"] for panel in panels(boards()[rule["dashboardUid"]])}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["title"])
def test_nothing_of_a_rule_but_its_query_holds_a_dollar_that_grafana_would_replace(rule: Json) -> None:
    around = {name: value for name, value in rule.items() if name != "data"}
    assert "$" not in re.sub(r"\$\$", "", str(around))


def test_the_page_names_every_board_and_every_rule() -> None:
    page = (ROOT / "docs" / "grafana.md").read_text(encoding="utf-8")
    for board in boards().values():
        name = board["title"].removeprefix("Voice pipeline: ")
        assert f"\n| {name[0].upper()}{name[1:]} | " in page
    for rule in RULES:
        assert re.search(rf"\n\| [^|]*\b{rule['title']}\b[^|]* \| [^|]*\b{rule['labels']['severity']}\b", page)


def test_examples_of_contact_points_fit_the_policy_and_the_severities() -> None:
    points = provisioned("examples/alerting/contact-points.yaml")["contactPoints"]
    [policy] = provisioned("examples/alerting/policies.yaml")["policies"]
    names = {point["name"] for point in points}
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} == names
    assert len({receiver["uid"] for point in points for receiver in point["receivers"]}) == len(points)
    assert "example.com" in str(points)
    [[label, sign, pattern]] = policy["routes"][0]["object_matchers"]
    assert (label, sign) == ("severity", "=~")
    paged = {rule["labels"]["severity"] for rule in RULES if re.fullmatch(pattern, rule["labels"]["severity"])}
    assert paged == {"critical", "high"}
