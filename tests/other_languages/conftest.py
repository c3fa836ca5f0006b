"""A real server, and the programs that call it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.processes import Program, server
from rpc.models import FIXTURES

FOLDER = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server with the sample models as a model root."""
    folder = tmp_path_factory.mktemp("server")
    with server(folder / "server", "--model-root", f"samples={FIXTURES}") as program:
        yield program


@pytest.fixture(scope="session")
def packages() -> Path:
    """The packages of `package-lock.json`; in CI they are there."""
    folder = FOLDER / "node_modules"
    if shutil.which("node") is None or not folder.is_dir():
        if os.environ.get("CI") and shutil.which("npm"):
            pytest.fail("node_modules is missing in CI: run `make node`")
        pytest.skip("no Node, or its packages are not installed: run `make node`")
    return folder
