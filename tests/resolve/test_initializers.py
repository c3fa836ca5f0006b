"""What a loader sets after the restore, and several savers of a bare graph, without TensorFlow."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from checkpoint.bundle_writer import Stored, write_bundle
from rewrite.freezing import FLOAT, Frozen, freeze_text
from tffreeze_server.errors import FreezeError, Reason

DTYPE = 'attr { key: "dtype" value { type: DT_FLOAT } }'
VARIABLE = f"""
node {{ name: "v" op: "VarHandleOp" {DTYPE} attr {{ key: "shape" value {{ shape {{}} }} }}
  attr {{ key: "shared_name" value {{ s: "v" }} }} }}
node {{ name: "y" op: "ReadVariableOp" input: "v" {DTYPE} }}
"""


def constant(name: str, value: str, dtype: str = "FLOAT") -> str:
    """A scalar."""
    return f"""node {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: DT_{dtype} }} }}
      attr {{ key: "value" value {{ tensor {{ dtype: DT_{dtype} tensor_shape {{}} {value} }} }} }} }}"""


def value_of(frozen: Frozen) -> tuple[str, float]:
    """Where the one variable has its value from, and the value."""
    (variable,) = frozen.report.variables
    (node,) = (n for n in frozen.graph.node if n.name == variable.name)
    tensor = node.attr["value"].tensor
    number = tensor.float_val[0] if tensor.float_val else struct.unpack("<f", tensor.tensor_content)[0]
    return variable.source, number


@pytest.mark.parametrize(("condition", "expected"), [("true", 2.0), ("false", 3.0)])
def test_a_branch_of_an_initializer(tmp_path: Path, condition: str, expected: float) -> None:
    """The branch that is taken sets the variable, also where the condition itself is what the loader runs."""
    branches = "".join(
        f"""function {{ signature {{ name: "{name}" input_arg {{ name: "h" type: DT_RESOURCE }}
          input_arg {{ name: "a" type: DT_FLOAT }} }}
          node_def {{ name: "set" op: "AssignVariableOp" input: "h" input: "{given}" {DTYPE} }}
          node_def {{ name: "three" op: "Const" {DTYPE} attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT
            tensor_shape {{}} float_val: 3 }} }} }} }} }}"""
        for name, given in (("then", "a"), ("else", "three:output:0"))
    )
    text = f"""{VARIABLE} {constant("two", "float_val: 2")} {constant("c", f"bool_val: {condition}", "BOOL")}
      node {{ name: "if" op: "If" input: "c" input: "v" input: "two"
        attr {{ key: "Tcond" value {{ type: DT_BOOL }} }} attr {{ key: "Tout" value {{ list {{}} }} }}
        attr {{ key: "Tin" value {{ list {{ type: DT_RESOURCE type: DT_FLOAT }} }} }}
        attr {{ key: "then_branch" value {{ func {{ name: "then" }} }} }}
        attr {{ key: "else_branch" value {{ func {{ name: "else" }} }} }} }}
      node {{ name: "init" op: "NoOp" input: "^two" input: "^if" }}
      library {{ {branches} }}"""
    for root in ("init", "if"):
        assert ("initializer", expected) == value_of(
            freeze_text(text, tmp_path, "y", initializer_nodes=(root,))
        )


def test_a_variable_that_an_initializer_counts_up(tmp_path: Path) -> None:
    """The result of any write but an assignment is not known; the error is about the variable."""
    text = f"""{VARIABLE} {constant("two", "float_val: 2")}
      node {{ name: "init" op: "AssignAddVariableOp" input: "v" input: "two" {DTYPE} }}"""
    with pytest.raises(FreezeError) as caught:
        freeze_text(text, tmp_path, "y", initializer_nodes=("init",))
    assert (Reason.UNSUPPORTED_INITIALIZER, "v") == (caught.value.reason, caught.value.subject)
    assert "'init' (op 'AssignAddVariableOp')" in caught.value.message


@pytest.mark.parametrize(
    ("waits", "second", "expected"),
    [("", "two", 2.0), ('input: "^a"', "three", 3.0), ("", "three", None)],
)
def test_a_variable_that_is_set_twice(
    tmp_path: Path, waits: str, second: str, expected: float | None
) -> None:
    """To one value, or in a known order to the last; else nobody knows."""
    text = f"""{VARIABLE} {constant("two", "float_val: 2")} {constant("three", "float_val: 3")}
      node {{ name: "a" op: "AssignVariableOp" input: "v" input: "two" {DTYPE} }}
      node {{ name: "b" op: "AssignVariableOp" input: "v" input: "{second}" {waits} {DTYPE} }}
      node {{ name: "init" op: "NoOp" input: "^a" input: "^b" }}"""
    if expected is None:
        with pytest.raises(FreezeError) as caught:
            freeze_text(text, tmp_path, "y", initializer_nodes=("init",))
        assert (Reason.VALUES_DISAGREE, "v") == (caught.value.reason, caught.value.subject)
    else:
        frozen = freeze_text(text, tmp_path, "y", initializer_nodes=("init",))
        assert ("initializer", expected) == value_of(frozen)


def saver(name: str, key: str) -> str:
    """A saver that restores `v` from a key."""

    def strings(node: str, value: str) -> str:
        return f"""node {{ name: "{name}/{node}" op: "Const" attr {{ key: "dtype" value {{ type: DT_STRING }} }}
          attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING tensor_shape {{ dim {{ size: 1 }} }}
          string_val: "{value}" }} }} }} }}"""

    return f"""{strings("names", key)} {strings("slices", "")}
      node {{ name: "{name}/file" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_STRING }} }} }}
      node {{ name: "{name}/r" op: "RestoreV2" input: "{name}/file" input: "{name}/names" input: "{name}/slices"
        attr {{ key: "dtypes" value {{ list {{ type: DT_FLOAT }} }} }} }}
      node {{ name: "{name}/i" op: "Identity" input: "{name}/r" {FLOAT} }}
      node {{ name: "{name}/set" op: "AssignVariableOp" input: "v" input: "{name}/i" {DTYPE} }}
      node {{ name: "{name}/restore_all" op: "NoOp" input: "^{name}/set" }}"""


@pytest.mark.parametrize(("second", "agree"), [("k", True), ("other", False), ("absent", True)])
def test_the_savers_of_a_bare_graph(tmp_path: Path, second: str, agree: bool) -> None:
    """Where they agree, or the checkpoint has only what one of them asks for, that is the variable."""
    stored = [Stored("k", 1, (), struct.pack("<f", 5)), Stored("other", 1, (), struct.pack("<f", 6))]
    checkpoint = write_bundle(tmp_path / "m", stored)
    text = VARIABLE + saver("save", "k") + saver("save_1", second)
    if agree:
        assert ("saver", 5.0) == value_of(freeze_text(text, tmp_path, "y", checkpoint=checkpoint))
        return
    with pytest.raises(FreezeError) as caught:
        freeze_text(text, tmp_path, "y", checkpoint=checkpoint)
    assert (Reason.VALUES_DISAGREE, "v") == (caught.value.reason, caught.value.subject)
