"""Plain arithmetic of initializers, without TensorFlow: each expected value is what TensorFlow's kernels give."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from google.protobuf import text_format

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import Node, TensorValue, from_node_def
from tffreeze_server.resolve.evaluate import Evaluator
from tffreeze_server.resolve.small_tensor import SmallTensor, cast, read_small, to_value
from tffreeze_server.tfproto.graph_pb2 import GraphDef

CONSTANTS = """
node { name: "m" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32
  tensor_shape { dim { size: 1 } dim { size: 2 } dim { size: 3 } } int_val: [1, 2, 3, 4, 5, 6] } } } }
node { name: "zero" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 0 } } } }
node { name: "one" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 1 } } } }
node { name: "three" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 3 } } } }
node { name: "last" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: -1 } } } }
node { name: "six" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } }
  int_val: [3, -1] } } } }
node { name: "text" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape {}
  string_val: "t" } } } }
node { name: "yes" op: "Const"
  attr { key: "value" value { tensor { dtype: DT_BOOL tensor_shape {} bool_val: true } } } }
node { name: "no" op: "Const"
  attr { key: "value" value { tensor { dtype: DT_BOOL tensor_shape {} bool_val: false } } } }
node { name: "v" op: "VarHandleOp" attr { key: "shared_name" value { s: "v" } } }
node { name: "ref" op: "VariableV2" }
"""
SEVEN = to_value(SmallTensor(3, (), (7,)))


def evaluator(text: str) -> Evaluator:
    """Of the constants and some nodes; the variables `v` and `ref` are 7, and only `v` is set."""
    nodes: Mapping[str, Node] = {
        proto.name: from_node_def(proto) for proto in text_format.Parse(CONSTANTS + text, GraphDef()).node
    }
    return Evaluator(
        nodes, {"text:0": "words"}, lambda _key, _reader: SEVEN, lambda key: key == ("", "v"), Budget()
    )


def small(value: TensorValue) -> SmallTensor:
    """A value as numbers."""
    assert not hasattr(value.data, "chunks")
    return read_small(value.data, "", Budget())  # type: ignore[arg-type]  # it stands in the graph


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ('op: "ExpandDims" input: "m" input: "zero"', (1, 1, 2, 3)),
        ('op: "ExpandDims" input: "m" input: "one"', (1, 1, 2, 3)),
        ('op: "ExpandDims" input: "m" input: "three"', (1, 2, 3, 1)),
        ('op: "ExpandDims" input: "m" input: "last"', (1, 2, 3, 1)),
        ('op: "Squeeze" input: "m"', (2, 3)),
        ('op: "Reshape" input: "m" input: "six"', (3, 2)),
    ],
)
def test_the_same_elements_in_another_shape(node: str, expected: tuple[int, ...]) -> None:
    """ExpandDims at each end, Squeeze of all ones, Reshape with an open size."""
    found = small(evaluator(f'node {{ name: "y" {node} }}').value("y"))
    assert SmallTensor(3, expected, (1, 2, 3, 4, 5, 6)) == found


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ('op: "ZerosLike" input: "one"', SmallTensor(3, (), (0,))),
        ('op: "OnesLike" input: "zero"', SmallTensor(3, (), (1,))),
        ('op: "Shape" input: "m"', SmallTensor(3, (3,), (1, 2, 3))),
        ('op: "Pack" input: "one" input: "three"', SmallTensor(3, (2,), (1, 3))),
        ('op: "Sub" input: "three" input: "one"', SmallTensor(3, (), (2,))),
        ('op: "ReadVariableOp" input: "v"', SmallTensor(3, (), (7,))),
        ('op: "Identity" input: "ref"', SmallTensor(3, (), (7,))),
        ('op: "VarIsInitializedOp" input: "v"', SmallTensor(10, (), (True,))),
        ('op: "IsVariableInitialized" input: "ref"', SmallTensor(10, (), (False,))),
        ('op: "Identity" input: "text"', SmallTensor(7, (), (b"assets/words",))),
    ],
)
def test_what_an_op_gives(node: str, expected: SmallTensor) -> None:
    """Numbers, values of variables, paths of assets."""
    assert expected == small(evaluator(f'node {{ name: "y" {node} }}').value("y"))


@pytest.mark.parametrize(
    "node",
    [
        'op: "ZerosLike" input: "text"',
        'op: "Reshape" input: "m" input: "m"',
        'op: "Pack" input: "one" input: "m"',
        'op: "ExpandDims" input: "m"',
        'op: "MatMul" input: "m" input: "m"',
        'op: "ReadVariableOp" input: "one"',
    ],
)
def test_what_is_not_computed(node: str) -> None:
    """Each names the node that cannot be read as data."""
    with pytest.raises(FreezeError) as caught:
        evaluator(f'node {{ name: "y" {node} }}').value("y")
    assert (Reason.UNSUPPORTED_INITIALIZER, "y") == (caught.value.reason, caught.value.subject)


@pytest.mark.parametrize(("condition", "expected"), [("yes", 3), ("no", 1)])
def test_the_branch_that_is_taken(condition: str, expected: int) -> None:
    """A Merge gives what its living input does; what reads only the other branch is dead."""
    found = evaluator(
        f"""
        node {{ name: "s" op: "Switch" input: "one" input: "{condition}" }}
        node {{ name: "a" op: "Identity" input: "s" }}
        node {{ name: "b" op: "Add" input: "s:1" input: "s:1" }}
        node {{ name: "c" op: "Add" input: "b" input: "one" }}
        node {{ name: "y" op: "Merge" input: "a" input: "c" }}"""
    )
    assert (expected,) == small(found.value("y")).values
    assert (condition == "yes", condition == "no", False) == (
        found.is_dead("a"),
        found.is_dead("c"),
        found.is_dead("y"),
    )


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [
        (4, 300, 44),
        (6, 200, -56),
        (6, -129, 127),
        (3, 2**31, -(2**31)),
        (23, -1, 2**64 - 1),
        (10, 3, True),
        (9, 2.9, 2),
    ],
)
def test_numbers_wrap_around(dtype: int, number: float, expected: int) -> None:
    """As C++ converts them: an int8 of 200 is -56."""
    assert expected == cast(dtype, number)
