"""docker-compose.yml and the Dockerfile describe the same system as the embedded services."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.kafka_jars import KAFKA_VERSION
from deploy.local.postgres_install import get_major
from streams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
OURS = {"migrate", "gateway", "worker-urgent", "worker-supply", "relay"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    assert isinstance(loaded, dict)
    return loaded


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Hold a file against the compose schema that check-jsonschema carries; needs no network."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run(
        [*command, str(path)], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_is_a_valid_compose_file() -> None:
    checked = check(COMPOSE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("healthcheck:", "health_check:"),
        ("image: postgres:18", "image: [postgres, 18]"),
        ("condition: service_healthy", "condition: service_is_fine"),
    ],
)
def test_a_broken_file_is_caught(tmp_path: Path, right: str, wrong: str) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert right in text
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace(right, wrong), encoding="utf-8")
    assert check(broken).returncode != 0


def test_every_variable_of_ours_is_a_real_setting_with_a_value_it_takes(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {f"XUELIAN_{name.upper()}" for name in Settings.model_fields}
    for name in OURS:
        variables = services[name]["environment"]
        assert set(variables) <= real, name
        for variable, value in variables.items():
            assert isinstance(value, str), f"{name}: {variable} is not quoted"
            monkeypatch.setenv(variable, value)
        Settings()


def test_images_are_the_versions_that_run_embedded(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}" == "apache/kafka:4.3.1"
    assert services["postgres"]["image"] == f"postgres:{get_major()}" == "postgres:18"
    version = importlib.metadata.version("xuelian")
    assert {services[name]["image"] for name in OURS} == {f"xuelian:{version}"}


def test_the_whole_system_is_there_in_order(services: dict[str, Any]) -> None:
    assert set(services) == OURS | {"kafka", "postgres"}
    commands = {name: services[name]["command"] for name in OURS}
    assert commands == {
        "migrate": ["sh", "-c", "xuelian migrate && xuelian topics apply"],
        "gateway": ["xuelian", "gateway"],
        "worker-urgent": ["xuelian", "worker", "urgent"],
        "worker-supply": ["xuelian", "worker", "supply"],
        "relay": ["xuelian", "relay"],
    }
    for name in OURS - {"migrate"}:
        waits = {on: how["condition"] for on, how in services[name]["depends_on"].items()}
        assert waits == {
            "kafka": "service_healthy",
            "postgres": "service_healthy",
            "migrate": "service_completed_successfully",
        }
    for name in set(services) - {"migrate"}:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name


def test_only_loopback_is_published(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_durability_is_on_and_topics_are_never_invented(services: dict[str, Any]) -> None:
    command = services["postgres"]["command"]
    assert {"fsync=on", "synchronous_commit=on", "full_page_writes=on"} <= set(command)
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_data_is_kept_in_named_volumes(services: dict[str, Any]) -> None:
    assert services["kafka"]["volumes"] == ["kafka:/var/lib/kafka/data"]
    assert services["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]


def test_the_image_installs_by_hash_and_drops_root() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line and "runtime.txt" in line for line in installs)
    assert [line for line in lines if line.startswith("FROM")] == ["FROM python:3.11-slim"]
    assert [line for line in lines if line.startswith("USER")] == ["USER xuelian"]


def test_our_image_is_built_of_that_file_and_what_it_copies_is_there(
    services: dict[str, Any],
) -> None:
    for name in OURS:
        build = services[name]["build"]
        context = ROOT / build["context"]
        assert context / build["dockerfile"] == DOCKERFILE
        for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
            if line.startswith("COPY"):
                source, target = line.split()[1:]
                assert (context / source).exists(), source
                assert source == target
    assert not (ROOT / "Dockerfile").exists()


def test_the_image_carries_every_room() -> None:
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    copied = {
        line.split()[1]
        for line in DOCKERFILE.read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY")
    }
    rooms = tomllib.loads(config)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(rooms) <= copied
