"""The files of docker/ that start servers: right by their schemas, and no flag in them is unknown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCKER = Path(__file__).resolve().parents[2] / "docker"


def documents(file: str) -> list[Any]:
    """The documents of a YAML file."""
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the dependency group `deploy`")
    return list(yaml.safe_load_all((DOCKER / file).read_text()))


def by_kind() -> dict[str, Any]:
    """The resources of the manifest."""
    return {resource["kind"]: resource for resource in documents("kubernetes.yaml")}


def server() -> Any:
    """The container of the manifest."""
    (container,) = by_kind()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def check_config(flags: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have the server check its flags, with the host and folders of the container."""
    command = [sys.executable, "-m", "tffreeze_server.server.main", "--check-config", "--host", "0.0.0.0"]
    (folder / "models").mkdir()
    given = [flag.replace("/models", f"{folder}/models") for flag in flags]
    command += [*given, "--spool-dir", str(folder / "spool")]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_the_manifest_is_right_by_the_schema_of_kubernetes() -> None:
    """Every resource is valid, strictly: no field is unknown."""
    validate = pytest.importorskip("kubernetes_validate")
    for resource in documents("kubernetes.yaml"):
        validate.validate(resource, validate.latest_version(), strict=True)


def test_the_parts_of_the_manifest_find_each_other() -> None:
    """Service, budget and Deployment speak of the same pods, and probes of a port that is served."""
    kinds = by_kind()
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == kinds["Deployment"]["spec"]["selector"]["matchLabels"]
    assert labels == kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert labels == kinds["Service"]["spec"]["selector"]
    probes = [server()[name]["grpc"]["port"] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert [50051] * 3 == probes


def test_a_pod_has_time_to_drain() -> None:
    """Kubernetes waits longer than preStop and draining take together."""
    (drain,) = (flag.split("=")[1] for flag in server()["args"] if flag.startswith("--drain-seconds="))
    pause = server()["lifecycle"]["preStop"]["exec"]["command"][1]
    grace = by_kind()["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > int(drain) + int(pause)


def test_the_server_takes_the_flags_of_the_manifest(tmp_path: Path) -> None:
    """`--check-config` has nothing against them."""
    checked = check_config(server()["args"], tmp_path)
    assert (0, "") == (checked.returncode, checked.stderr)


@pytest.mark.parametrize("service", ["freeze-1", "freeze-2"])
def test_the_server_takes_the_flags_of_compose(tmp_path: Path, service: str) -> None:
    """`--check-config` has nothing against them."""
    (compose,) = documents("compose.yaml")
    checked = check_config(compose["services"][service]["command"], tmp_path)
    assert (0, "") == (checked.returncode, checked.stderr)


def test_a_service_of_compose_has_time_to_drain() -> None:
    """Compose waits longer than draining takes."""
    (compose,) = documents("compose.yaml")
    service = compose["services"]["freeze-1"]
    drain = service["command"][service["command"].index("--drain-seconds") + 1]
    assert int(service["stop_grace_period"].removesuffix("s")) > int(drain)
