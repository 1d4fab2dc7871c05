import re
from typing import Any

import pytest
import typer
import typer.main
import yaml

from app.cli import commands
from app.cli.reference import _metrics
from tests.deploy.places import DEPLOY, ROOT, documents, known_settings
from tests.deploy.reasons import ready_reasons

RULES: list[dict[str, Any]] = documents(DEPLOY / "prometheus" / "rules.yaml")[0]["groups"][0]["rules"]
GRAFANA_RULES: list[dict[str, Any]] = documents(DEPLOY / "grafana" / "provisioning" / "alerting" / "rules.yaml")[0][
    "groups"
][0]["rules"]
TEXT = (DEPLOY / "runbooks.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"^## ", TEXT.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def headings(title: str) -> list[str]:
    return re.findall(r"^### (.+)$", section(title), re.M)


def bodies(title: str) -> list[str]:
    """Texts under the headings; several headings may share one."""
    return [body for body in re.split(r"^### .+$", section(title), flags=re.M)[1:] if body.strip()]


def metric_names() -> set[str]:
    return {row[0].strip("`") for row in _metrics()}


def test_every_alert_has_a_heading_and_every_heading_an_alert() -> None:
    assert headings("Alerts") == [rule["alert"] for rule in RULES]
    assert headings("Alerts of Grafana") == [rule["title"] for rule in GRAFANA_RULES]


def test_every_reason_has_a_heading_and_every_heading_a_reason() -> None:
    found = headings("Reasons of /health/ready")
    assert len(found) == len(set(found))
    assert set(found) == ready_reasons()


@pytest.mark.parametrize("title", ["Alerts", "Alerts of Grafana", "Reasons of /health/ready"])
def test_every_text_says_what_it_means_where_to_look_what_to_do_and_how_to_verify(title: str) -> None:
    for body in bodies(title):
        assert [part for part in ("**For users:", "**Look", "**Do", "**Verify:") if part not in body] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rules_use_metrics_that_exist_and_lead_to_their_runbook(rule: dict[str, Any]) -> None:
    used = set(re.findall(r"\bvoicemon_\w+", rule["expr"]))
    assert used
    assert used <= metric_names()
    assert rule["labels"]["severity"] in {"page", "warn"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook"] == f"deploy/runbooks.md#{rule['alert'].lower()}"
    assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("rule", GRAFANA_RULES, ids=lambda rule: rule["title"])
def test_rules_of_grafana_lead_to_their_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"low", "medium", "high", "critical"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook"] == f"deploy/runbooks.md#{rule['title'].lower()}"


def test_the_sections_for_planned_work_are_there() -> None:
    titles = re.findall(r"^## (.+)$", TEXT, re.M)
    planned = [
        "Upgrade",
        "Backup and restore",
        "Adding partitions",
        "Rotating tokens and passwords",
        "Moving the topic",
        "Erasing an organisation's or a person's data",
    ]
    assert titles == ["Alerts", "Alerts of Grafana", "Reasons of /health/ready", *planned]


def test_runbooks_name_commands_settings_and_metrics_that_exist() -> None:
    app = typer.Typer()
    commands.register(app)
    assert set(re.findall(r"`voicemon ([a-z-]+)", TEXT)) <= set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"VOICEMON_\w+", TEXT)) <= known_settings()
    assert set(re.findall(r"`(voicemon_\w+)`", TEXT)) - {"voicemon_writer", "voicemon_reader"} <= metric_names()


def test_commands_of_the_runbooks_have_the_words_and_options_that_stand_there() -> None:
    app = typer.Typer()
    commands.register(app)
    for text in re.findall(r"`voicemon ([^`]+)`", TEXT):
        command: Any = typer.main.get_command(app)
        words = text.split()
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, text


@pytest.mark.parametrize(
    "page",
    ["deploy/runbooks.md", "deploy/kubernetes/README.md", "docs/deployment.md", "docs/grafana.md", "docs/scaling.md"],
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_links_within_the_runbooks_lead_to_headings() -> None:
    titles = re.findall(r"^#+ (.+)$", TEXT, re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors


def test_the_rules_fit_into_an_object_of_the_prometheus_operator() -> None:
    text = (DEPLOY / "prometheus" / "rules.yaml").read_text(encoding="utf-8")
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    assert yaml.safe_load(f"spec:\n{indented}")["spec"]["groups"][0]["rules"] == RULES
