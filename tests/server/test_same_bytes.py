"""The same bytes from any worker, whichever way the model and the result go, as from no server at all."""

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
MAX_CALLS = 200
"""Of one way to three workers, that a fair die of the kernel leaves one out: once in 10^35."""


@pytest.mark.parametrize("workers", [1, 3])
def test_every_worker_gives_what_is_given_without_a_server(tmp_path: Path, workers: int) -> None:
    """By CONTENT with an upload, by SPLICE, and from a model root: the same bytes, from each of the workers."""
    digits = FIXTURES / "digits"
    embedded = tffreeze.freeze_bytes(digits)
    flags = ("--workers", str(workers), "--model-root", f"samples={FIXTURES}")
    calls = 0
    with running(tmp_path, *flags) as server:
        for way in WAYS:
            seen: set[int] = set()
            while seen != set(range(workers)):
                calls += 1
                assert calls < MAX_CALLS * len(WAYS), seen
                with tffreeze.Client(server.target) as client:
                    frozen = client.freeze_bytes("digits" if "model_root" in way else digits, **way)
                assert embedded.data == frozen.data
                seen.add(server.log.wait("call", calls, reason="OK").get("worker", 0))
