"""`tffreeze.testing` gives users' tests a real server."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import tffreeze
import tffreeze.testing

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def test_a_server_serves_while_the_block_runs() -> None:
    """It freezes uploads and model roots, and is gone afterwards with its threads."""
    with (
        tffreeze.testing.serve(model_roots={"samples": FIXTURES}) as address,
        tffreeze.Client(address, max_attempts=1) as client,
    ):
        expected = tffreeze.freeze_bytes(FIXTURES / "digits")
        assert expected == client.freeze_bytes(FIXTURES / "digits")
        assert expected == client.freeze_bytes("digits", model_root="samples")
    with tffreeze.Client(address, max_attempts=1) as client, pytest.raises(tffreeze.UnavailableError):
        client.capabilities()
    assert "tffreeze-testing" not in [thread.name for thread in threading.enumerate()]


def test_limits_can_be_others() -> None:
    """A test of a client's own limits sets the server's."""
    with (
        tffreeze.testing.serve(max_upload_bytes=10) as address,
        tffreeze.Client(address) as client,
        pytest.raises(tffreeze.RequestError, match="UPLOAD_TOO_LARGE"),
    ):
        client.freeze_bytes(FIXTURES / "digits")
