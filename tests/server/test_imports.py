"""The process that serves calls does not hold the engine: only planners do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rpc.models import DIGITS

ENGINE = tuple(
    "budget checkpoint.checkpoint freeze graph inspection.inspect plan.encode resolve rewrite".split()
)

PROGRAM = """
import sys, tffreeze, tffreeze.testing
with tffreeze.testing.serve() as address, tffreeze.Client(address) as client:
    for delivery in ("content", "splice"):
        client.freeze(sys.argv[1], delivery=delivery, output=sys.argv[2])
    client.inspect(sys.argv[1])
import tffreeze_server.server.run
print(*sys.modules)
"""


def test_a_process_that_has_served_calls_has_not_imported_the_engine(tmp_path: object) -> None:
    """After a freeze of each delivery and an inspection, all of the engine is its results, which are read and sent."""
    command = [sys.executable, "-c", PROGRAM, str(DIGITS.folder), f"{tmp_path}/frozen.pb"]
    imported = set(
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    )
    assert "tffreeze_server.plan.plan" in imported
    assert set() == imported & {f"tffreeze_server.{module}" for module in ENGINE}


@pytest.mark.parametrize("module", ENGINE)
def test_what_must_not_be_imported_exists(module: str) -> None:
    """A name that is gone would make the test above say nothing."""
    command = [sys.executable, "-c", f"import tffreeze_server.{module}"]
    subprocess.run(command, check=True, timeout=60)
