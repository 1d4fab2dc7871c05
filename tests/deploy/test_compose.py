import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.runtime.settings import WebSettings
from app.web.tokens import configured_tokens
from tests.deploy.places import DEPLOY, documents, known_settings

COMPOSE = DEPLOY / "compose.yaml"
CONFIG = documents(COMPOSE)[0]
SERVICES: dict[str, dict[str, Any]] = CONFIG["services"]
IN_THE_IMAGE = {"worker"}
"""Services whose health check is in deploy/Dockerfile."""


def made_by_script(folder: Path) -> str:
    environment = {
        "PATH": "/usr/bin:/bin",
        "SECRETS_FOLDER": str(folder / "secrets"),
        "SECRETS_ENV": str(folder / ".env"),
    }
    command = ["/bin/sh", str(DEPLOY / "secrets.sh")]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=20).stdout


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name: str) -> None:
    if name in IN_THE_IMAGE:
        assert SERVICES[name]["build"]["dockerfile"] == "deploy/Dockerfile"
        assert "\nHEALTHCHECK " in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    else:
        assert SERVICES[name]["healthcheck"]["test"]


def test_workers_start_after_healthy_servers() -> None:
    assert SERVICES["worker"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "clickhouse": {"condition": "service_healthy"},
    }


def test_two_workers_run_and_each_has_a_port_of_the_range() -> None:
    worker = SERVICES["worker"]
    assert worker["scale"] == "${WORKERS:-2}"
    [first, last] = re.fullmatch(r"127\.0\.0\.1:(\d+)-(\d+):6066", worker["ports"][0]).groups()  # type: ignore[union-attr]
    assert int(last) - int(first) + 1 >= 2


@pytest.mark.parametrize("name", SERVICES)
def test_logs_are_bounded_and_services_come_back(name: str) -> None:
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_workers_run_without_rights() -> None:
    worker = SERVICES["worker"]
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]
    assert worker["security_opt"] == ["no-new-privileges:true"]
    assert worker["user"].endswith(":-10001:10001}")


def test_grafana_finds_its_files_and_reads_clickhouse_as_the_reader() -> None:
    service = SERVICES["grafana"]
    [source] = documents(DEPLOY / "grafana" / "provisioning" / "datasources" / "clickhouse.yaml")[0]["datasources"]
    [boards] = documents(DEPLOY / "grafana" / "provisioning" / "dashboards" / "voice-pipeline.yaml")[0]["providers"]
    mounts = dict(volume.removesuffix(":ro").split(":")[::-1] for volume in service["volumes"])
    assert mounts["/etc/grafana/provisioning"] == "./grafana/provisioning"
    assert mounts[boards["options"]["path"]] == "./grafana/dashboards"
    secret = source["secureJsonData"]["password"].removeprefix("$__file{/run/secrets/").removesuffix("}")
    assert secret in service["secrets"]
    users = ElementTree.parse(DEPLOY / "clickhouse" / "users.d" / "voicemon.xml")  # noqa: S314 - our own file
    assert source["jsonData"]["username"] == "voicemon_reader"
    assert source["jsonData"]["username"] in {user.tag for user in users.iter()}
    assert source["jsonData"]["host"] in SERVICES
    assert f"127.0.0.1:{source['jsonData']['port']}:8123" in SERVICES[source["jsonData"]["host"]]["ports"]
    assert service["depends_on"] == {"clickhouse": {"condition": "service_healthy"}}


def test_every_setting_is_known() -> None:
    assert SERVICES["worker"]["environment"].keys() <= known_settings()


def test_secrets_come_from_files_that_are_mounted() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= CONFIG["secrets"].keys()
        for name, value in service.get("environment", {}).items():
            assert not name.endswith(("PASSWORD", "TOKEN", "TOKENS", "KEY"))
            if name.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_mounted_files_and_named_volumes_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in CONFIG["volumes"]


def test_clickhouse_gets_the_passwords_that_its_users_need() -> None:
    users = ElementTree.parse(DEPLOY / "clickhouse" / "users.d" / "voicemon.xml")  # noqa: S314 - our own file
    wanted = {password.get("from_env", "") for password in users.iter("password")}
    script = SERVICES["clickhouse"]["entrypoint"][-1]
    assert wanted == {"VOICEMON_WRITER_PASSWORD", "VOICEMON_READER_PASSWORD"}
    assert all(f'{name}="$$(cat /run/secrets/' in script for name in wanted)
    assert SERVICES["worker"]["environment"]["VOICEMON_CLICKHOUSE_USER"] in {user.tag for user in users.iter()}


def test_the_script_makes_every_secret_once_for_its_owner_only(tmp_path: Path) -> None:
    told = made_by_script(tmp_path)
    files = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    before = {name: path.read_text() for name, path in files.items()}
    assert files.keys() == {"clickhouse_writer", "clickhouse_reader", "grafana_admin", "web_tokens"}
    assert files.keys() >= CONFIG["secrets"].keys()
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert len(set(before.values())) == len(before)
    assert "shown this once" in told
    assert "shown this once" not in made_by_script(tmp_path)
    assert {name: path.read_text() for name, path in files.items()} == before


def test_the_printed_token_is_the_one_that_workers_know(tmp_path: Path) -> None:
    token = made_by_script(tmp_path).split()[-1]
    tokens = configured_tokens(WebSettings(tokens_file=str(tmp_path / "secrets" / "web_tokens")))
    grant = tokens.find(token)
    assert grant is not None
    assert (grant.name, grant.organization_id) == ("staff", None)
    assert token not in (tmp_path / "secrets" / "web_tokens").read_text()


def test_secrets_are_not_checked_in() -> None:
    ignored = (DEPLOY.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"deploy/secrets/", "deploy/.env"} <= set(ignored)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_compose_accepts_the_file() -> None:
    command = ["docker-compose", "-f", str(COMPOSE), "config", "--quiet"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
