import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.live import LiveWorker
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings
from app.runtime.telemetry import Telemetry
from app.web.server import build_web
from tests.deploy.places import DEPLOY, documents, known_settings, values

KUBERNETES = DEPLOY / "kubernetes"
VERSION = "1.37"
FOREIGN = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}
"""Kinds that operators define; their schemas are not Kubernetes' own."""
KUSTOMIZATIONS = sorted(KUBERNETES.glob("*/kustomization.yaml"))
OVERLAYS = [path for path in KUSTOMIZATIONS if path.parent.name != "base"]
"""Those that take the base in."""


def resources(kustomization: Path) -> list[Path]:
    """Manifests of a kustomization, those of its bases too."""
    found: list[Path] = []
    for name in documents(kustomization)[0]["resources"]:
        path = kustomization.parent / name
        found += resources(path / "kustomization.yaml") if path.is_dir() else [path]
    return found


MANIFESTS = sorted({path.resolve() for kustomization in KUSTOMIZATIONS for path in resources(kustomization)})


def manifests(kind: str) -> list[dict[str, Any]]:
    found = [item for path in MANIFESTS for item in documents(path) if item["kind"] == kind]
    assert found, f"there is no {kind}"
    return found


def worker() -> dict[str, Any]:
    return manifests("StatefulSet")[0]["spec"]


def pod() -> dict[str, Any]:
    return worker()["template"]["spec"]


def settings_env() -> dict[str, str]:
    lines = (KUBERNETES / "base" / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def pod_labels() -> set[tuple[str, str]]:
    return set(worker()["template"]["metadata"]["labels"].items())


def test_every_manifest_belongs_to_a_kustomization() -> None:
    files = {path.resolve() for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert files == set(MANIFESTS)
    assert {path.parent.name for path in KUSTOMIZATIONS} == {"base", "monitoring", "scaling"}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_manifest_is_valid(path: Path) -> None:
    for document in documents(path):
        if document["apiVersion"] in FOREIGN:
            assert document["metadata"]["name"]
            assert document["spec"]
        else:
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_misspelt_field_is_invalid() -> None:
    document = {**manifests("StatefulSet")[0], "specification": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_kustomizations_name_no_resource_twice() -> None:
    for kustomization in KUSTOMIZATIONS:
        names = [
            (item["kind"], item["metadata"]["name"]) for path in resources(kustomization) for item in documents(path)
        ]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", ["StatefulSet", "PodDisruptionBudget"])
def test_selectors_match_the_pods(kind: str) -> None:
    for item in manifests(kind):
        selector = item["spec"]["selector"]["matchLabels"]
        assert selector
        assert set(selector.items()) <= pod_labels()


def test_services_and_network_policy_select_the_pods() -> None:
    selectors = [item["spec"]["selector"] for item in manifests("Service")]
    selectors += [item["spec"]["podSelector"]["matchLabels"] for item in manifests("NetworkPolicy")]
    selectors += [item["labelSelector"]["matchLabels"] for item in pod()["topologySpreadConstraints"]]
    for selector in selectors:
        assert selector
        assert set(selector.items()) <= pod_labels()


def test_the_service_monitor_finds_one_service_so_that_no_worker_is_read_twice() -> None:
    wanted = manifests("ServiceMonitor")[0]["spec"]["selector"]["matchLabels"].items()
    found = [item for item in manifests("Service") if wanted <= item["metadata"]["labels"].items()]
    assert [item["metadata"]["name"] for item in found] == ["voicemon"]
    ports = {port["name"] for port in found[0]["spec"]["ports"]}
    assert {end["port"] for end in manifests("ServiceMonitor")[0]["spec"]["endpoints"]} <= ports


def test_services_lead_to_workers_that_are_not_ready_too() -> None:
    assert all(item["spec"]["publishNotReadyAddresses"] for item in manifests("Service"))


def test_workers_that_are_not_ready_may_be_moved_to_other_nodes() -> None:
    [budget] = manifests("PodDisruptionBudget")
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert budget["spec"]["maxUnavailable"] == 1


def test_the_governing_service_is_headless() -> None:
    services = {item["metadata"]["name"]: item["spec"] for item in manifests("Service")}
    assert services[worker()["serviceName"]]["clusterIP"] == "None"


def test_probes_and_scrapes_point_to_routes_that_exist() -> None:
    settings = Settings()
    app = build_web(LiveWorker(settings, SystemClock(), Telemetry()), settings)
    routes = {resource.canonical for resource in app.router.resources()}
    container = pod()["containers"][0]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    paths = {probe["path"] for probe in probes} | set(values(manifests("ServiceMonitor"), "path"))
    assert paths == {"/health/live", "/health/ready", "/metrics"}
    assert paths <= routes
    assert {probe["port"] for probe in probes} <= {port["name"] for port in container["ports"]}
    assert container["ports"][0]["containerPort"] == settings.web.port


def test_every_setting_is_known() -> None:
    names = set(settings_env()) | {variable["name"] for variable in pod()["containers"][0]["env"]}
    assert names <= known_settings()


def test_the_settings_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_env().items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.web.open_health
    assert settings.web.host == "0.0.0.0"  # noqa: S104 - a pod is reached from outside
    assert settings.kafka.partitions >= manifests("ScaledObject")[0]["spec"]["maxReplicaCount"]


def test_secret_files_are_mounted_where_the_settings_look() -> None:
    secret = next(volume["secret"] for volume in pod()["volumes"] if volume["name"] == "secrets")
    folder = next(mount for mount in pod()["containers"][0]["volumeMounts"] if mount["name"] == "secrets")
    mounted = {f"{folder['mountPath']}/{item['path']}" for item in secret["items"]}
    assert mounted == {value for name, value in settings_env().items() if name.endswith("_FILE")}


def test_no_manifest_holds_a_secret() -> None:
    assert not any(item["kind"] == "Secret" for path in MANIFESTS for item in documents(path))
    secret = re.compile(r"PASSWORD$|TOKENS?$|_KEY$")
    assert not [name for name in settings_env() if secret.search(name)]
    for variable in pod()["containers"][0]["env"]:
        assert "value" not in variable or not secret.search(variable["name"])


def test_the_guide_makes_every_key_of_every_secret() -> None:
    guide = (KUBERNETES / "README.md").read_text(encoding="utf-8")
    references = [*values([documents(path) for path in MANIFESTS], "secretKeyRef")]
    keys = {reference["key"] for reference in references}
    keys |= {item["key"] for volume in pod()["volumes"] if "secret" in volume for item in volume["secret"]["items"]}
    keys |= {credentials["key"] for credentials in values(manifests("ServiceMonitor"), "credentials")}
    assert not [key for key in keys if f"--from-literal={key}=" not in guide and f"--from-file={key}=" not in guide]


def test_workers_run_without_rights() -> None:
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] > 0
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod()["automountServiceAccountToken"] is False
    for container in pod()["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= container["resources"].keys()


def test_the_generated_settings_are_those_that_workers_read() -> None:
    base = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text(encoding="utf-8"))
    generated = {item["name"] for item in base["configMapGenerator"]}
    assert {name["name"] for name in values(pod(), "configMapRef")} == generated
    assert {image["name"] for image in base["images"]} == {container["image"] for container in pod()["containers"]}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("kustomization", OVERLAYS, ids=lambda path: path.parent.name)
def test_kustomize_renders_valid_manifests_that_find_each_other(kustomization: Path) -> None:
    command = ["kubectl", "kustomize", str(kustomization.parent)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    for document in rendered:
        if document["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(document, VERSION, strict=True)
    settings = next(item for item in rendered if item["kind"] == "ConfigMap")
    assert settings["data"] == settings_env()
    assert [item["name"] for item in values(rendered, "configMapRef")] == [settings["metadata"]["name"]]
    scaled = any(item["kind"] == "ScaledObject" for item in rendered)
    [workers] = [item for item in rendered if item["kind"] == "StatefulSet"]
    assert ("replicas" in workers["spec"]) != scaled
