"""The bytes of frozen graphs stay what they are until the semantics version is raised."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from google.protobuf.internal import api_implementation

from tffreeze_server.semantics import SEMANTICS_VERSION

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = runpy.run_path(str(REPOSITORY / "scripts" / "golden_bytes.py"))
GOLDEN = json.loads((REPOSITORY / "tests" / "golden_bytes.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(
    api_implementation.Type() == "python",
    reason="protobuf's C code sorts an attribute before one whose name begins its own (Tshape, T), pure Python after",
)
def test_bytes_are_the_golden_ones() -> None:
    """Each sample with each option set; real models where they are. `make golden` accepts new bytes."""
    actual = PROGRAM["digests"](PROGRAM["MODELS"])
    assert [] == PROGRAM["difference"](GOLDEN["digests"], actual)
    assert {"digits", "graph_v1", "moving_average"} <= actual.keys()


def test_golden_bytes_are_of_this_version() -> None:
    """The file says which semantics version its bytes are of."""
    assert GOLDEN["semantics_version"] == SEMANTICS_VERSION


def test_a_difference_is_named() -> None:
    """Other bytes, another reason and a new sample are told; a sample that is not here is not."""
    expected = {"a": {"plain": "1" * 64, "text": "2" * 64}, "absent": {"plain": "3" * 64}}
    actual = {"a": {"plain": "1" * 64, "text": "INTERNAL"}, "b": {"plain": "4" * 64}}
    assert [
        f"a text: {'2' * 16} -> INTERNAL",
        f"b plain: new -> {'4' * 16}",
    ] == PROGRAM["difference"](expected, actual)
