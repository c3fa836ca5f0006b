"""What pruning loses of calls that run whole, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewrite.freezing import FLOAT, X, freeze_text
from tffreeze_server.errors import FreezeError, Reason

DTYPE = 'attr { key: "dtype" value { type: DT_FLOAT } }'
SHAPE = 'attr { key: "shape" value { shape {} } }'
SHARED = 'attr { key: "shared_name" value { s: "v" } }'
ONE = f"""name: "one" op: "Const" {DTYPE}
  attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{}} float_val: 1 }} }} }}"""


def function(body: str) -> str:
    """A library of one function that gives what it is given."""
    return f"""library {{ function {{ signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }}
      output_arg {{ name: "r" type: DT_FLOAT }} }} {body} ret {{ key: "r" value: "a" }} }} }}"""


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
