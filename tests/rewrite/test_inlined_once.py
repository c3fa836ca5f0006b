"""What is inlined once is not inlined again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from rewrite.freezing import FLOAT, freeze_text
from tffreeze_server.freeze import freeze
from tffreeze_server.graph import inline
from tffreeze_server.graph.body import Body
from tffreeze_server.inspection.inspect import inspect
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import FunctionDef

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

SHARED = f"""
node {{ name: "v" op: "VariableV2" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
       attr {{ key: "shape" value {{ shape {{ }} }} }} }}
node {{ name: "three" op: "Const" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
       attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{ }} float_val: 3 }} }} }} }}
node {{ name: "initial" op: "outer" input: "three" }}
node {{ name: "init" op: "Assign" input: "v" input: "initial" {FLOAT} }}
node {{ name: "read" op: "Identity" input: "v" {FLOAT} }}
node {{ name: "y" op: "outer" input: "read" }}
library {{
  function {{ signature {{ name: "outer" input_arg {{ name: "x" type: DT_FLOAT }}
                         output_arg {{ name: "r" type: DT_FLOAT }} }}
             node_def {{ name: "c" op: "inner" input: "x" }} ret {{ key: "r" value: "c:r:0" }} }}
  function {{ signature {{ name: "inner" input_arg {{ name: "x" type: DT_FLOAT }}
                         output_arg {{ name: "r" type: DT_FLOAT }} }}
             node_def {{ name: "neg" op: "Neg" input: "x" {FLOAT} }} ret {{ key: "r" value: "neg:y:0" }} }}
}}
"""
"""Outputs and initializer call the same functions."""


@pytest.fixture
def inlined(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each function's body was read to be inlined."""
    counts: Counter[str] = Counter()
    read = inline.to_body

    def counted(function: FunctionDef, attrs: Mapping[str, AttrValue], outputs: inline.Outputs) -> Body:
        counts[function.signature.name] += 1
        return read(function, attrs, outputs)

    monkeypatch.setattr(inline, "to_body", counted)
    return counts


def test_a_freeze_inlines_each_function_once(inlined: Counter[str], tmp_path: Path) -> None:
    """Outputs and initializers share what was inlined."""
    frozen = freeze_text(SHARED, tmp_path, "y", initializer_nodes=("init",))

    assert {"outer": 1, "inner": 1} == inlined
    (constant,) = [node for node in frozen.graph.node if node.name == "v"]
    assert [-3.0] == constant.attr["value"].tensor.float_val


def test_inspect_inlines_each_function_once(inlined: Counter[str], tmp_path: Path) -> None:
    """As a freeze, however many outputs are looked at."""
    model = tmp_path / "model.pbtxt"
    model.write_text(SHARED)

    inspection = inspect(ModelSource(model), FreezeOptions(output_nodes=("y",), initializer_nodes=("init",)))

    assert () == inspection.obstacles
    assert {"outer": 1, "inner": 1} == inlined


def test_a_saved_model_is_inlined_once(inlined: Counter[str]) -> None:
    """What serves, what saves and what restores: each function of the digits sample once at most."""
    freeze(ModelSource(FIXTURES / "digits"), FreezeOptions())
    assert {1} == set(inlined.values())

    inlined.clear()
    inspect(ModelSource(FIXTURES / "digits"), FreezeOptions())
    assert {1} == set(inlined.values())
