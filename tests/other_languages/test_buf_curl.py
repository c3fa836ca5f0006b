"""A caller that knows nothing before it asks: `buf curl` learns all from the server's reflection."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import tffreeze
from deploy.processes import Program
from rpc.models import DIGITS, FIXTURES
from tffreeze import __version__

SERVICE = "tffreeze.v1.FreezeService"


def curl(packages: Path, url: str, *arguments: str, cache: Path) -> str:
    """Run `buf curl` against a server without TLS."""
    command = [
        packages / ".bin" / "buf",
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        *arguments,
        url,
    ]
    environment = os.environ | {"BUF_CACHE_DIR": str(cache)}
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=cache, env=environment
    )
    assert "" == ended.stderr
    return ended.stdout


def messages(text: str) -> list[Any]:
    """JSON values that follow each other."""
    decoder, result, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        result.append(value)
        text = text[end:].lstrip()
    return result


def test_services_and_methods_are_listed(packages: Path, running: Program, tmp_path: Path) -> None:
    """Reflection names the service, its methods and health."""
    services = curl(packages, f"http://{running.address}", "--list-services", cache=tmp_path)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(services.split())
    methods = curl(packages, f"http://{running.address}", "--list-methods", cache=tmp_path)
    assert {f"{SERVICE}/{name}" for name in ("Freeze", "Inspect", "GetCapabilities")} <= set(methods.split())


def test_a_method_is_called(packages: Path, running: Program, tmp_path: Path) -> None:
    """A call without any .proto file at hand is answered."""
    url = f"http://{running.address}/{SERVICE}/GetCapabilities"
    told = json.loads(curl(packages, url, "--data", "{}", cache=tmp_path))
    assert __version__ == told["serverVersion"]
    assert ["samples"] == told["modelRoots"]


def test_a_model_is_frozen(packages: Path, running: Program, tmp_path: Path) -> None:
    """A model of a model root is frozen by one line of JSON; its content is what a local freeze writes."""
    source = {"model_root": "samples", "model": str(DIGITS.folder.relative_to(FIXTURES))}
    url = f"http://{running.address}/{SERVICE}/Freeze"
    answers = messages(
        curl(packages, url, "--data", json.dumps({"spec": {"source": source}}), cache=tmp_path)
    )
    content = [answer["content"]["data"] for answer in answers if "content" in answer]
    assert tffreeze.freeze_bytes(DIGITS.folder).data == b"".join(map(base64.b64decode, content))
    assert "finished" in answers[-1]
