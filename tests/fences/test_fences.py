"""The import fences hold, and each of them bites."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def lint_imports(sources: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages below `sources`."""
    pytest.importorskip("importlinter")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"]
    return subprocess.run(
        [*command, "--no-cache", "--config", str(REPO / "pyproject.toml")],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(str(sources / part) for part in ("client", "service"))},
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the sources, to be spoilt."""
    for part in ("client", "service"):
        shutil.copytree(REPO / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_fences_hold() -> None:
    """No module imports what it must not."""
    result = lint_imports(REPO)
    assert 0 == result.returncode, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "fence"),
    [
        (
            "service/tffreeze_server/graph/bad.py",
            "import grpc",
            "The engine knows neither the wire nor the client",
        ),
        (
            "service/tffreeze_server/rewrite/bad.py",
            "import tffreeze.errors",
            "The engine knows neither the wire",
        ),
        (
            "client/tffreeze/bad.py",
            "from tffreeze_server import errors",
            "The client never imports the server",
        ),
        (
            "service/tffreeze_server/checkpoint/bad.py",
            "import tffreeze_server.plan.plan",
            "Data flows one way",
        ),
        (
            "service/tffreeze_server/rewrite/bad.py",
            "import tffreeze_server.rpc",
            "Data flows one way",
        ),
        (
            "service/tffreeze_server/rewrite/bad.py",
            "import tffreeze_server.checkpoint.open",
            "Flattening and rewriting read no files",
        ),
        (
            "service/tffreeze_server/rpc/bad.py",
            "import tffreeze_server.server",
            "Data flows one way",
        ),
        (
            "client/tffreeze_files/bad.py",
            "import tffreeze.errors",
            "Files are read and written by what knows neither",
        ),
        (
            "client/tffreeze_common/bad.py",
            "import tffreeze_files.reader",
            "What both sides know knows neither of them",
        ),
        (
            "service/tffreeze_server/rewrite/bad.py",
            "import tensorflow",
            "TensorFlow is imported in tests only",
        ),
    ],
)
def test_fence_bites(module: str, line: str, fence: str, sources: Path) -> None:
    """An import that is not allowed breaks its contract."""
    (sources / module).write_text(f"{line}\n")
    result = lint_imports(sources)
    assert 1 == result.returncode, result.stdout
    _, _, broken = result.stdout.partition("Broken contracts")
    assert fence in broken


@pytest.mark.parametrize("folder", ["client/tffreeze", "service/tffreeze_server/freeze"])
def test_ruff_bites(folder: str) -> None:
    """Ruff too knows that TensorFlow is not for the engine or the client."""
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if ruff is None:
        pytest.skip("ruff is not installed here")
    command = [ruff, "check", "--no-cache", "--config", str(REPO / "pyproject.toml"), "--select", "TID251"]
    result = subprocess.run(
        [*command, "--stdin-filename", str(REPO / folder / "bad.py"), "-"],
        input="import tensorflow as tf\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == result.returncode
    assert "TID251" in result.stdout
