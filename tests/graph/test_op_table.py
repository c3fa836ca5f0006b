"""Which definition of an op counts, and where the bundled ones come from."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tffreeze_server.graph.op_table import _table, op_defs
from tffreeze_server.tfproto.op_def_pb2 import OpDef, OpList
from tffreeze_server.tfproto.tensor_pb2 import DataType

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "generate_op_table.py"


def test_ops_of_tensorflow_are_known_without_an_op_list() -> None:
    """A bare GraphDef has no definitions of its own: the bundled ones are there."""
    concat = op_defs().find("ConcatV2")
    assert concat is not None
    expected = [("values", "N", "T"), ("axis", "", "Tidx")]
    assert expected == [(arg.name, arg.number_attr, arg.type_attr) for arg in concat.input_arg]


def test_defaults_of_attributes_are_known() -> None:
    """Nodes may leave out attributes that have their default: it is in the table."""
    concat = op_defs().find("ConcatV2")
    assert concat is not None
    defaults = {attr.name: attr.default_value.type for attr in concat.attr if attr.HasField("default_value")}
    expected = {"Tidx": DataType.DT_INT32}
    assert expected == defaults


def test_what_has_effects_is_known() -> None:
    """Whether an op is stateful, and whether it takes an uninitialized variable, is in the table."""
    ops = [op_defs().find(name) for name in ("Assign", "VarHandleOp", "AddV2")]
    expected = [(True, True, False), (False, False, True), (False, False, False)]
    assert expected == [
        (op.allows_uninitialized_input, any(arg.is_ref for arg in op.input_arg), op.is_stateful)
        for op in ops
        if op is not None
    ]


def test_an_unknown_op_is_not_found() -> None:
    """An op in neither list is None, not an error: whether that matters is for the caller to say."""
    assert op_defs(OpList(op=[OpDef(name="Mine")])).find("Yours") is None


def test_the_models_own_definition_comes_first() -> None:
    """Custom ops are known, and a model's definition of an op wins over the bundled one."""
    concat = OpDef()
    concat.MergeFrom(op_defs().find("ConcatV2") or OpDef())
    concat.summary = "of the model"
    own = OpList(op=[OpDef(name="Mine"), concat])
    defs = op_defs(own)
    assert own.op[0] == defs.find("Mine")
    assert own.op[1] == defs.find("ConcatV2")
    assert defs.find("Split") is not None


def test_a_definition_that_contradicts_tensorflows_does_not_count() -> None:
    """An op of TensorFlow's name with other arguments is not that op: who loads the graph has TensorFlow's."""
    no_output = OpDef(name="Placeholder")
    found = op_defs(OpList(op=[no_output])).find("Placeholder")
    assert found is not None
    assert ["output"] == [arg.name for arg in found.output_arg]


def test_of_two_definitions_the_first_counts() -> None:
    """A list that names an op twice is read the same way every time."""
    own = OpList(op=[OpDef(name="Mine", summary="first"), OpDef(name="Mine", summary="second")])
    assert own.op[0] == op_defs(own).find("Mine")


def test_the_table_is_not_loaded_before_it_is_needed() -> None:
    """Importing reads no data: a program that looks no op up does not pay for the table."""
    program = (
        "from tffreeze_server.graph import op_table as t;"
        "t.op_defs(); print(t._table.cache_info().misses);"
        "t.op_defs().find('Add'); print(t._table.cache_info().misses)"
    )
    environment = {"PYTHONPATH": str(REPOSITORY / "service")}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    expected = ["0", "1"]
    assert expected == run.stdout.split()


@pytest.mark.tensorflow
def test_the_table_is_fresh() -> None:
    """Generating it again from the same TensorFlow changes nothing; the output says how to mend it."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed to compare with")
    installed = importlib.metadata.version("tensorflow")
    bundled = _table().tensorflow_version
    if installed != bundled:
        pytest.skip(f"the table is of TensorFlow {bundled}, and {installed} is installed")
    check = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    expected = (0, "")
    assert expected == (check.returncode, check.stdout)
