"""Restore and init subgraphs that no TensorFlow writes end in an error with a reason, in bounded time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format

from resolve.support import np, saved_values
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.functions import functions_of
from tffreeze_server.graph.load import load
from tffreeze_server.graph.ops import VARIABLE_OPS
from tffreeze_server.graph.variables import Binding, variables_of
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources
from tffreeze_server.tfproto.graph_pb2 import GraphDef, NodeDef

pytestmark = pytest.mark.tensorflow

GRAPH = """
node { name: "v" op: "VariableV2"
  attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { dim { size: 2 } } } } }
node { name: "file" op: "Placeholder" }
node { name: "names" op: "Const" attr { key: "value" value { tensor {
  dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: "k" } } } }
node { name: "slices" op: "Const" attr { key: "value" value { tensor {
  dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: "" } } } }
node { name: "read" op: "RestoreV2" input: "file" input: "names" input: "slices" }
node { name: "assign" op: "Assign" input: "v" input: "read" }
node { name: "restore" op: "NoOp" input: "^assign" }
node { name: "init" op: "NoOp" }
"""


def bindings(folder: Path, graph: GraphDef) -> tuple[Binding, ...]:
    """What becomes of the graph's variables."""
    path = folder / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    options = FreezeOptions(restore_op="restore", filename_tensor="file:0", initializer_nodes=("init",))
    model = load(ModelSource(path), options)
    checkpoint = open_checkpoint(saved_values(folder, {"k": np.float32([1, 2])}))
    sources = Sources(model, checkpoint, options, functions_of(model))
    return tuple(sources.binding(variable) for variable in variables_of(model.nodes, VARIABLE_OPS).values())


def node(graph: GraphDef, name: str) -> NodeDef:
    """A node of the graph."""
    return next(found for found in graph.node if found.name == name)


def add(graph: GraphDef, text: str) -> None:
    """Add nodes, and let the init op wait for `set`."""
    graph.MergeFrom(text_format.Parse(text, GraphDef()))
    node(graph, "init").input.append("^set")


def whole() -> GraphDef:
    """The sound graph."""
    return text_format.Parse(GRAPH, GraphDef())


def test_the_sound_graph(tmp_path: Path) -> None:
    """The graph that the tests below spoil is sound."""
    (found,) = bindings(tmp_path, whole())
    assert ("k", "saver", (2,)) == (found.key, found.source, found.value.shape)


def names_shape(size: int) -> Callable[[GraphDef], None]:
    """A change of how many names there are said to be."""
    return lambda g: setattr(node(g, "names").attr["value"].tensor.tensor_shape.dim[0], "size", size)


def slice_spec(spec: bytes) -> Callable[[GraphDef], None]:
    """A change of the slice."""
    return lambda g: node(g, "slices").attr["value"].tensor.string_val.__setitem__(0, spec)


def inputs(name: str, *tensors: str) -> Callable[[GraphDef], None]:
    """A change of a node's inputs."""

    def change(graph: GraphDef) -> None:
        del node(graph, name).input[:]
        node(graph, name).input.extend(tensors)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (names_shape(0), Reason.MALFORMED_MODEL),
        (names_shape(-5), Reason.MALFORMED_MODEL),
        (inputs("assign", "v", "read:7"), Reason.MALFORMED_MODEL),
        (inputs("assign", "v", "read:99999999999999999999"), Reason.MALFORMED_MODEL),
        (inputs("read", "file", "names"), Reason.UNSUPPORTED_RESTORE),
        (inputs("read", "file", "file", "slices"), Reason.UNSUPPORTED_RESTORE),
        (inputs("read", "names", "names", "slices"), Reason.UNSUPPORTED_RESTORE),
        (inputs("read", "file", "gone", "slices"), Reason.MALFORMED_MODEL),
        (inputs("assign", "v", "^read"), Reason.UNSUPPORTED_RESTORE),
        (inputs("assign", "^v", "read"), Reason.UNSUPPORTED_RESTORE),
        (lambda g: node(g, "names").attr["value"].Clear(), Reason.MALFORMED_MODEL),
        (
            lambda g: node(g, "names").attr["value"].tensor.string_val.__setitem__(0, b"\xff"),
            Reason.VARIABLE_NOT_IN_CHECKPOINT,
        ),
        (slice_spec(b"2 0,9"), Reason.MALFORMED_MODEL),
        (slice_spec(b"9 0,2"), Reason.VARIABLE_MISMATCH),
        (slice_spec(b"2 0,1"), Reason.VARIABLE_MISMATCH),
        (slice_spec(b"nonsense"), Reason.MALFORMED_MODEL),
        (slice_spec(b"\xff\xfe"), Reason.MALFORMED_MODEL),
        (slice_spec(b"9" * 5000), Reason.MALFORMED_MODEL),
    ],
)
def test_spoilt_restores(tmp_path: Path, change: Callable[[GraphDef], None], reason: Reason) -> None:
    """Names, outputs, slices and inputs that cannot be."""
    graph = whole()
    change(graph)
    with pytest.raises(FreezeError) as caught:
        bindings(tmp_path, graph)
    assert reason == caught.value.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('node { name: "set" op: "Assign" input: "v" input: "names" }', Reason.VARIABLE_MISMATCH),
        ('node { name: "set" op: "Assign" input: "v" input: "c" } node { name: "c" op: "Const" }', None),
        ('node { name: "set" op: "Assign" input: "v" input: "f" } node { name: "f" op: "Fill" }', None),
        (
            'node { name: "set" op: "Assign" input: "v" input: "f" } node { name: "f" op: "Add" input: "names" }',
            None,
        ),
        (
            'node { name: "set" op: "Assign" input: "v" input: "f" } node { name: "f" op: "ReadVariableOp" }',
            None,
        ),
        (
            'node { name: "set" op: "Assign" input: "v" input: "f" } node { name: "f" op: "Switch" input: "v" }',
            None,
        ),
        ('node { name: "set" op: "Assign" input: "v" input: "f" } node { name: "f" op: "Merge" }', None),
        (
            'node { name: "set" op: "Assign" input: "v" input: "f" } node { name: "f" op: "Cast" input: "names" }',
            None,
        ),
        (
            'node { name: "set" op: "Assign" input: "v" input: "f" }'
            'node { name: "f" op: "Fill" input: "d" input: "d" }'
            'node { name: "d" op: "Const" attr { key: "value" value { tensor {'
            "dtype: DT_INT64 tensor_shape { dim { size: 2 } } int64_val: 4611686018427387904 } } } }",
            Reason.UNSUPPORTED_INITIALIZER,
        ),
        (
            'node { name: "set" op: "Assign" input: "v" input: "f" }'
            'node { name: "f" op: "Fill" input: "d" input: "d" }'
            'node { name: "d" op: "Const" attr { key: "value" value { tensor {'
            "dtype: DT_INT64 tensor_shape { dim { size: 1 } } int64_val: -1 } } } }",
            None,
        ),
        ('node { name: "set" op: "AssignAdd" input: "v" input: "names" }', None),
    ],
)
def test_spoilt_initializers(tmp_path: Path, text: str, reason: Reason | None) -> None:
    """Ops without their inputs or attributes, sizes beyond all memory: an error that names the op."""
    graph = whole()
    add(graph, text)
    with pytest.raises(FreezeError) as caught:
        bindings(tmp_path, graph)
    assert caught.value.reason in (
        {reason} if reason else {Reason.UNSUPPORTED_INITIALIZER, Reason.MALFORMED_MODEL}
    )


def test_a_long_chain(tmp_path: Path) -> None:
    """A chain of ten thousand ops is an error, not the end of the stack."""
    graph = whole()
    add(graph, 'node { name: "set" op: "Assign" input: "v" input: "n9999" }')
    for index in range(10_000):
        graph.node.add(name=f"n{index}", op="Neg", input=[f"n{index - 1}" if index else "read"])
    with pytest.raises(FreezeError, match="too many steps") as caught:
        bindings(tmp_path, graph)
    assert Reason.UNSUPPORTED_INITIALIZER == caught.value.reason


def test_what_reads_itself(tmp_path: Path) -> None:
    """Nodes that wait for each other are an error."""
    graph = whole()
    add(graph, 'node { name: "set" op: "Assign" input: "v" input: "a" }')
    graph.node.add(name="a", op="Identity", input=["b"])
    graph.node.add(name="b", op="Identity", input=["a"])
    with pytest.raises(FreezeError) as caught:
        bindings(tmp_path, graph)
    assert Reason.MALFORMED_MODEL == caught.value.reason
