"""What tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rpc.harness import Served, served
from rpc.models import FIXTURES


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the sample models as a model root, for calls that leave it as it was."""
    folder: Path = tmp_path_factory.mktemp("server")
    with served(folder, model_roots={"samples": FIXTURES}) as running:
        yield running
        running.wait_until_idle()
