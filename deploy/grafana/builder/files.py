"""What is written where, and whether it is there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.grafana.builder.alerts import alert_rules
from deploy.grafana.builder.artifacts import artifacts
from deploy.grafana.builder.cost import cost
from deploy.grafana.builder.monitor import monitor
from deploy.grafana.builder.organizations import organizations
from deploy.grafana.builder.overview import overview
from deploy.grafana.builder.panels import Json
from deploy.grafana.builder.provisioning import BOARDS, CONTACT_POINTS, DATASOURCES, FOLDER, POLICIES
from deploy.grafana.builder.stages import stages

FOLDER_OF_ALL: Final = Path(__file__).parents[1]
MADE_IN: Final = ("dashboards", "provisioning", "examples")
"""Folders that hold nothing but made files."""
HEAD: Final = "# Made by `python -m deploy.grafana.builder`; do not edit.\n"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """YAML without anchors, with texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def boards() -> list[Json]:
    """All boards."""
    return [overview(), stages(), organizations(), artifacts(), cost(), monitor()]


def texts() -> dict[str, str]:
    """The text of each made file by its path below deploy/grafana; the same at every call."""
    found = {f"dashboards/{FOLDER}/{board['uid']}.json": _json(board) for board in boards()}
    documents: Mapping[str, Json] = {
        "provisioning/datasources/clickhouse.yaml": DATASOURCES,
        "provisioning/dashboards/voice-pipeline.yaml": BOARDS,
        "provisioning/alerting/rules.yaml": alert_rules(),
        "examples/alerting/contact-points.yaml": CONTACT_POINTS,
        "examples/alerting/policies.yaml": POLICIES,
    }
    return found | {path: _yaml(document) for path, document in documents.items()}


def differences(folder: Path) -> list[str]:
    """What is missing in the folder, differs from what would be written, or does not belong there, by path."""
    wanted = texts()
    there = {
        path.relative_to(folder).as_posix() for name in MADE_IN for path in (folder / name).rglob("*") if path.is_file()
    }
    changed = {path for path in there & wanted.keys() if (folder / path).read_text(encoding="utf-8") != wanted[path]}
    return sorted(changed | (there ^ wanted.keys()))


def write(folder: Path) -> list[str]:
    """Write what differs and delete what does not belong there; the paths that changed."""
    wanted, changed = texts(), differences(folder)
    for name in changed:
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _json(document: Json) -> str:
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: Json) -> str:
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=120)
    return HEAD + text
