import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.runtime.settings import Settings
from tests.deploy.places import DEPLOY, ROOT, known_settings

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
LOCK = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MOST_BYTES = 250_000_000
BUILD_TOOLS = ("pip", "pip3", "gcc", "cc", "g++", "make", "cargo", "git")
CONFINED = ["--read-only", "--network", "none", "--cap-drop", "ALL", "--tmpfs", "/tmp"]  # noqa: S108
PIP_CONFIGURATION = Path("/etc/pip.conf")


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def docker(*arguments: str, seconds: float = 10) -> subprocess.CompletedProcess[str]:
    # Engines before 23 build with BuildKit only when told to; the Dockerfile needs it.
    command = ["env", "DOCKER_BUILDKIT=1", "docker", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)


def can_build() -> bool:
    """Whether the client has BuildKit: before version 23 built in, since then as the component buildx."""
    version = re.search(r"\d+", docker("--version").stdout)
    return version is not None and (int(version[0]) < 23 or docker("buildx", "version").returncode == 0)


def base_image() -> str:
    found = re.search(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.M)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def image() -> str:
    """Name of the image, built; skips where that is not possible without a download."""
    if Settings.from_environment().test.use_docker == "never":
        pytest.skip("VOICEMON_TEST_USE_DOCKER=never: no image is built")
    if shutil.which("docker") is None or docker("info").returncode:
        pytest.skip("no Docker engine answers: the image cannot be built")
    if not can_build():
        pytest.skip("the Docker client lacks its component buildx: the image cannot be built")
    if docker("image", "inspect", base_image()).returncode:
        pytest.skip(f"{base_image()} is not on this machine and is not pulled by tests: the image cannot be built")
    registry = ["--secret", f"id=pip.conf,src={PIP_CONFIGURATION}"] if PIP_CONFIGURATION.exists() else []
    source = ["-f", str(DEPLOY / "Dockerfile"), "-t", "voicemon:test", str(ROOT)]
    done = docker("build", "-q", *registry, *source, seconds=600)
    assert done.returncode == 0, done.stderr
    return "voicemon:test"


def test_everything_that_is_copied_exists_and_is_sent_to_the_engine() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    for source in (name for names in copied for name in names):
        assert (ROOT / source).exists()
        assert f"!{source}" in sent


def test_all_packages_of_the_project_are_copied() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == {name for name in packages if f"COPY {name} {name}\n" in DOCKERFILE}


def test_the_lock_pins_what_the_project_needs_and_nothing_for_development() -> None:
    pinned = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==\S+ \\$", LOCK, re.M)}
    extras = PROJECT["optional-dependencies"]
    needed = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    unwanted = {name_of(requirement) for requirements in extras.values() for requirement in requirements}
    assert needed <= pinned
    assert not (unwanted - needed) & pinned


def test_every_pin_has_a_hash_and_the_same_version_as_for_development() -> None:
    pins = re.findall(r"^(\S+==\S+) \\\n    --hash=sha256:", LOCK, re.M)
    assert len(pins) == len(re.findall(r"^\S+==", LOCK, re.M))
    development = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not [pin for pin in pins if f"\n{pin} " not in f"\n{development}"]


def test_the_image_runs_as_nobody_special_with_known_settings() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", final, re.M)
    assert set(re.findall(r"\b(VOICEMON_\w+)=", DOCKERFILE)) <= known_settings()
    assert "\nHEALTHCHECK " in final


def test_no_secret_is_written_into_a_layer() -> None:
    assert not re.search(r"^(ARG|ENV).*(PASSWORD|TOKEN|SECRET|INDEX_URL)", DOCKERFILE, re.M)


@contextmanager
def started(image: str) -> Iterator[str]:
    """Name of a container whose worker has neither Kafka nor ClickHouse, so waits for them."""
    tokens = ["-e", f"VOICEMON_WEB_TOKENS=staff staff sha256:{'0' * 64}"]
    done = docker("run", "--detach", *CONFINED, *tokens, image, seconds=60)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    try:
        yield container
    finally:
        docker("rm", "--force", container, seconds=60)


@pytest.mark.timeout(660)
def test_the_built_image_runs_read_only_and_is_small(image: str) -> None:
    options = ["run", "--rm", *CONFINED]
    helped = docker(*options, image, "--help", seconds=60)
    assert helped.returncode == 0, helped.stderr
    assert "worker" in helped.stdout
    assert docker(*options, "--entrypoint", "id", image, "-u", seconds=60).stdout.strip() == "10001"
    tools = f"command -v {' '.join(BUILD_TOOLS)}; true"
    looked = docker(*options, "--entrypoint", "sh", image, "-c", tools, seconds=60)
    assert (looked.returncode, looked.stdout) == (0, "")
    assert int(docker("image", "inspect", "-f", "{{.Size}}", image).stdout) < MOST_BYTES


def test_a_worker_in_the_image_becomes_healthy_and_ends_by_itself(image: str) -> None:
    with started(image) as container:
        deadline, health = time.monotonic() + 60, ""
        while health != "healthy" and time.monotonic() < deadline:
            health = docker("inspect", "-f", "{{.State.Health.Status}}", container).stdout.strip()
            time.sleep(0.5)
        assert health == "healthy", docker("logs", container).stderr
        assert docker("stop", "--time", "25", container, seconds=40).returncode == 0
        assert docker("inspect", "-f", "{{.State.ExitCode}}", container).stdout.strip() == "0"
