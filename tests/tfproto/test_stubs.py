"""The committed stubs are what proto/ says, and import without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "generate_stubs.py"
GENERATOR_MISSING = 2


def test_stubs_are_fresh() -> None:
    """Generating them again changes nothing; otherwise the output says how to mend it."""
    check = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    if check.returncode == GENERATOR_MISSING:
        pytest.skip(f"the generator could not be installed: {check.stderr[-500:]}")
    expected = (0, "")
    assert expected == (check.returncode, check.stdout)


def test_stubs_import_without_tensorflow() -> None:
    """Reading a graph loads no module of TensorFlow's."""
    program = "import sys, tffreeze_server.tfproto.saved_model_pb2; print('tensorflow' in sys.modules)"
    environment = {"PYTHONPATH": str(REPOSITORY / "service")}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.strip() == "False"
