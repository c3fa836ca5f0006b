"""The same bytes, whichever way the model and the result go, as from no server at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tffreeze
from rpc.models import FIXTURES
from server.running import running

WAYS: list[dict[str, Any]] = [
    {"delivery": "content"},
    {"delivery": "splice"},
    {"model_root": "samples"},
]


@pytest.mark.parametrize("way", WAYS)
def test_a_server_gives_what_is_given_without_one(tmp_path: Path, way: dict[str, Any]) -> None:
    """By CONTENT with an upload, by SPLICE, and from a model root."""
    digits = FIXTURES / "digits"
    with (
        running(tmp_path, "--model-root", f"samples={FIXTURES}") as server,
        tffreeze.Client(server.target) as client,
    ):
        frozen = client.freeze_bytes("digits" if "model_root" in way else digits, **way)
    assert tffreeze.freeze_bytes(digits).data == frozen.data
