"""What pruning loses of calls that run whole, without TensorFlow."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hostile.case import outcome
from hostile.cases_calls import handle_chain
from rewrite.freezing import FLOAT, X, freeze_text
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

DTYPE = 'attr { key: "dtype" value { type: DT_FLOAT } }'
SHAPE = 'attr { key: "shape" value { shape {} } }'
SHARED = 'attr { key: "shared_name" value { s: "v" } }'
ONE = f"""name: "one" op: "Const" {DTYPE}
  attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{}} float_val: 1 }} }} }}"""


def function(body: str) -> str:
    """A library of one function that gives what it is given."""
    return f"""library {{ function {{ signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }}
      output_arg {{ name: "r" type: DT_FLOAT }} }} {body} ret {{ key: "r" value: "a" }} }} }}"""


def number(tensor: TensorProto) -> float:
    """The one float of a tensor, in whichever way it is written."""
    return float(tensor.float_val[0] if tensor.float_val else struct.unpack("<f", tensor.tensor_content)[0])


def test_a_buffer_that_a_body_writes(tmp_path: Path) -> None:
    """A ref variable by the same name in a body is the same variable: a write to it is a write to what is read."""
    text = f"""{X} node {{ name: "v" op: "VariableV2" {DTYPE} {SHAPE} }}
      node {{ name: "c" op: "f" input: "x" }}
      node {{ name: "y" op: "AddV2" input: "c" input: "v" {FLOAT} }}
      {
        function(f'''node_def {{ name: "w" op: "VariableV2" {DTYPE} {SHAPE} {SHARED} }} node_def {{ {ONE} }}
        node_def {{ name: "add" op: "AssignAdd" input: "w:ref:0" input: "one:output:0" {FLOAT} }}''')
    }"""

    with pytest.raises(FreezeError) as caught:
        freeze_text(text, tmp_path, "y")

    assert (Reason.REACHABLE_WRITE, "v") == (caught.value.reason, caught.value.subject)
    assert "'y' ← 'c' ← 'c/add'" in caught.value.message


def test_a_value_that_is_written_elsewhere(tmp_path: Path) -> None:
    """To write what one variable holds into another one changes only the other one."""
    text = f"""{X} node {{ name: "v" op: "VariableV2" {DTYPE} {SHAPE} }} node {{ name: "i" op: "Const" {DTYPE}
        attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{}} float_val: 5 }} }} }} }}
      node {{ name: "set" op: "Assign" input: "v" input: "i" {FLOAT} }}
      node {{ name: "c" op: "f" input: "x" }}
      node {{ name: "y" op: "AddV2" input: "c" input: "v" {FLOAT} }}
      {
        function(f'''node_def {{ name: "w" op: "VariableV2" {DTYPE} {SHAPE} {SHARED} }}
        node_def {{ name: "other" op: "VariableV2" {DTYPE} {SHAPE} }}
        node_def {{ name: "copy" op: "Assign" input: "other:ref:0" input: "w:ref:0" {FLOAT} }}''')
    }"""

    frozen = freeze_text(text, tmp_path, "y", initializer_nodes=("set",))

    assert ["c/copy"] == list(frozen.report.dropped.side_effects)
    assert ["v"] == [v.name for v in frozen.report.variables]


def test_a_write_in_a_call_of_an_initializer(tmp_path: Path) -> None:
    """What a loader sets inside of a call counts, though only the result of the call is used."""

    def handle(name: str) -> str:
        return f"""node {{ name: "{name}" op: "VarHandleOp" {DTYPE} {SHAPE}
            attr {{ key: "shared_name" value {{ s: "{name}" }} }} }}
          node {{ name: "{name}/read" op: "ReadVariableOp" input: "{name}" {DTYPE} }}"""

    text = f"""{handle("u")} {handle("v")} node {{ {ONE} }}
      node {{ name: "c" op: "f" input: "one" input: "v" }}
      node {{ name: "set" op: "AssignVariableOp" input: "u" input: "c" {DTYPE} }}
      node {{ name: "y" op: "AddV2" input: "u/read" input: "v/read" {FLOAT} }}
      library {{ function {{ signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }}
        input_arg {{ name: "h" type: DT_RESOURCE }} output_arg {{ name: "r" type: DT_FLOAT }} }}
        node_def {{ name: "twice" op: "AddV2" input: "a" input: "a" {FLOAT} }}
        node_def {{ name: "set" op: "AssignVariableOp" input: "h" input: "twice:z:0" {DTYPE} }}
        ret {{ key: "r" value: "a" }} }} }}"""

    frozen = freeze_text(text, tmp_path, "y", initializer_nodes=("set",))

    values = {n.name: number(n.attr["value"].tensor) for n in frozen.graph.node if n.op == "Const"}
    assert {"u": "initializer", "v": "initializer"} == {v.name: v.source for v in frozen.report.variables}
    assert {"u": 1.0, "v": 2.0} == values


def test_a_branch_that_writes_what_nothing_reads(tmp_path: Path) -> None:
    """A branch that changes a counter goes with the pruning, and the report says so."""
    text = f"""{X} node {{ name: "v" op: "VarHandleOp" {DTYPE} {SHAPE} }}
      node {{ name: "c" op: "f" input: "x" input: "v" }}
      node {{ name: "y" op: "Neg" input: "c" {FLOAT} }}
      library {{ function {{ signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }}
        input_arg {{ name: "h" type: DT_RESOURCE }} output_arg {{ name: "r" type: DT_FLOAT }} }}
        node_def {{ name: "if" op: "If" input: "a" input: "a" input: "h"
          attr {{ key: "Tcond" value {{ type: DT_FLOAT }} }} attr {{ key: "Tout" value {{ list {{ }} }} }}
          attr {{ key: "Tin" value {{ list {{ type: DT_FLOAT type: DT_RESOURCE }} }} }}
          attr {{ key: "then_branch" value {{ func {{ name: "write" }} }} }}
          attr {{ key: "else_branch" value {{ func {{ name: "write" }} }} }} }}
        ret {{ key: "r" value: "a" }} }}
      function {{ signature {{ name: "write" input_arg {{ name: "a" type: DT_FLOAT }}
        input_arg {{ name: "h" type: DT_RESOURCE }} }}
        node_def {{ name: "set" op: "AssignVariableOp" input: "h" input: "a" {DTYPE} }} }} }}"""

    frozen = freeze_text(text, tmp_path, "y")

    assert ["c/if"] == list(frozen.report.dropped.side_effects)


def test_a_handle_that_is_handed_on_before_it_is_written_to(tmp_path: Path) -> None:
    """Through Identities and calls it is still the handle of what is read."""
    model = handle_chain(3)
    assert Reason.REACHABLE_WRITE == outcome(model.write(tmp_path), model.options, tmp_path)
