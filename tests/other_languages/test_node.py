"""A client that shares nothing with ours but the contract: Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import tffreeze
from deploy.processes import Program
from rpc.models import DIGITS, Model

FOLDER = Path(__file__).resolve().parent
PROTO = FOLDER.parents[1] / "proto"

pytestmark = pytest.mark.usefixtures("packages")


def freeze(address: str, model: Model, output: Path) -> subprocess.CompletedProcess[str]:
    """Freeze by the program of this folder."""
    command = ["node", FOLDER / "freeze.mjs", address, PROTO, model.folder, output, model.model, *model.names]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_node_gets_the_bytes_of_the_embedded_engine(running: Program, tmp_path: Path) -> None:
    """A model uploaded by @grpc/grpc-js comes back as a local freeze writes it, and the report can be read."""
    output = tmp_path / "frozen.pb"
    ended = freeze(running.address, DIGITS, output)
    assert "" == ended.stderr
    local = tffreeze.freeze_bytes(DIGITS.folder)
    assert local.data == output.read_bytes()
    started = json.loads(ended.stdout)
    assert "DELIVERY_CONTENT" == started["delivery"]
    assert [variable.name for variable in local.report.variables] == [
        variable["name"] for variable in started["report"]["variables"]
    ]


def test_node_is_told_why_not(running: Program, tmp_path: Path) -> None:
    """What the server refuses is a status with a sentence, and nothing is written."""
    (tmp_path / "empty.pb").write_bytes(b"")
    ended = freeze(running.address, Model(tmp_path, "empty.pb", ("empty.pb",)), tmp_path / "frozen.pb")
    assert 1 == ended.returncode
    refused = json.loads(ended.stderr)
    assert "empty.pb" in refused["message"]
    assert "FAILED_PRECONDITION" == refused["code"]
    assert not (tmp_path / "frozen.pb").exists()
