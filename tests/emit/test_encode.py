"""A frozen graph as a serialized GraphDef."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emit.samples import (
    BIAS,
    KERNEL,
    SHARD,
    Halves,
    dense_graph,
    kernel_range,
    one_constant,
    string_constant,
    write_shard,
)
from tffreeze_server.emit.emit import chunks
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import Node
from tffreeze_server.plan.encode import graph_segments
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.graph_pb2 import GraphDef, NodeDef
from tffreeze_server.tfproto.tensor_pb2 import DT_FLOAT


def encoded(graph: FrozenGraph, files: dict[str, Path], form: OutputForm | None = None) -> bytes:
    """The bytes of a frozen graph, by way of its plan."""
    plan = make_plan(graph, files, form or OutputForm())
    with SourceFiles(files) as source:
        return b"".join(chunks(plan, source))


def test_name_op_and_inputs_are_the_nodes_own_and_attributes_the_protos(tmp_path: Path) -> None:
    """A node is written with its own name, op and inputs, whatever the proto it was read from says."""
    message = GraphDef.FromString(encoded(dense_graph(), write_shard(tmp_path)))
    expected = NodeDef(name="xw", op="MatMul", input=["x", "kernel"])
    expected.attr["T"].type = DT_FLOAT
    assert expected == message.node[2]


def test_values_by_reference_become_tensor_content(tmp_path: Path) -> None:
    """Constants in the graph and in function bodies hold the bytes of their ranges, their dtype and shape."""
    message = GraphDef.FromString(encoded(dense_graph(), write_shard(tmp_path)))
    kernel = message.node[1].attr["value"].tensor
    bias = message.library.function[0].node_def[0].attr["value"].tensor
    assert (KERNEL, DT_FLOAT, [2, 3]) == (
        kernel.tensor_content,
        kernel.dtype,
        [dim.size for dim in kernel.tensor_shape.dim],
    )
    assert (BIAS, DT_FLOAT, [3]) == (
        bias.tensor_content,
        bias.dtype,
        [dim.size for dim in bias.tensor_shape.dim],
    )


def test_the_rest_of_a_function_survives(tmp_path: Path) -> None:
    """A function with values by reference keeps its signature, its other nodes in order and its results."""
    function = GraphDef.FromString(encoded(dense_graph(), write_shard(tmp_path))).library.function[0]
    assert ["bias", "add"] == [node.name for node in function.node_def]
    assert dense_graph().functions[0].proto.signature == function.signature
    assert {"sum": "add:z:0"} == dict(function.ret)


def test_a_scalar_by_reference_has_a_shape_without_dimensions(tmp_path: Path) -> None:
    """The shape of a scalar is present, as TensorFlow writes it."""
    graph = one_constant(FileRange(SHARD, 4, 4, None), ())
    tensor = GraphDef.FromString(encoded(graph, write_shard(tmp_path))).node[0].attr["value"].tensor
    assert tensor.HasField("tensor_shape")
    assert (0, KERNEL[:4]) == (len(tensor.tensor_shape.dim), tensor.tensor_content)


def test_an_empty_value_needs_no_file() -> None:
    """A tensor without elements is written though its file is not there."""
    graph = one_constant(FileRange(SHARD, 0, 0, None), (0, 3))
    tensor = GraphDef.FromString(encoded(graph, {})).node[0].attr["value"].tensor
    assert ([0, 3], b"") == ([dim.size for dim in tensor.tensor_shape.dim], tensor.tensor_content)


def test_assembled_values_are_put_together(tmp_path: Path) -> None:
    """What stands in two places is written as one value."""
    halves = Halves(kernel_range(None), FileRange(SHARD, 4 + len(KERNEL), 12, None), len(KERNEL) + 12)
    tensor = GraphDef.FromString(encoded(one_constant(halves, (3, 3)), write_shard(tmp_path))).node[0]
    assert KERNEL + BIAS == tensor.attr["value"].tensor.tensor_content


def test_assembled_values_that_are_ranges_are_planned_as_ranges(tmp_path: Path) -> None:
    """A value that is whole ranges one after the other is in the plan as those, to be copied."""

    class Ranges(Halves):
        ranges = (kernel_range(1), FileRange(SHARD, 28, 12, 2))

    halves = Ranges(kernel_range(1), FileRange(SHARD, 28, 12, 2), len(KERNEL) + 12)
    plan = make_plan(one_constant(halves, (3, 3)), write_shard(tmp_path), weights_present=False)
    assert Ranges.ranges == tuple(segment for segment in plan.segments if isinstance(segment, FileRange))


def test_values_held_as_messages_are_written_as_they_are() -> None:
    """A string constant is a literal of the plan."""
    graph = FrozenGraph((string_constant("s", b"\xff\x00text"),), (), GraphDef(), (), (), {})
    message = GraphDef.FromString(encoded(graph, {}))
    assert [b"\xff\x00text"] == list(message.node[0].attr["value"].tensor.string_val)


def test_literals_are_joined() -> None:
    """The plan of many small nodes has few segments."""
    nodes = tuple(Node(f"n{i}", "NoOp", (), NodeDef()) for i in range(50_000))
    segments = graph_segments(FrozenGraph(nodes, (), GraphDef(), (), (), {}))
    assert len(segments) <= 3
    message = GraphDef.FromString(b"".join(s for s in segments if isinstance(s, bytes)))
    assert [node.name for node in nodes] == [node.name for node in message.node]


@pytest.mark.parametrize("form", [OutputForm(), OutputForm(as_saved_model=True)])
def test_two_gibibytes_are_refused_before_any_file_is_opened(form: OutputForm) -> None:
    """A graph past 2 GiB is an error with its size, its largest constants and the ways out."""
    small = one_constant(FileRange("absent", 0, 1_500_000_000, None), (375_000_000,)).nodes[0]
    graph = FrozenGraph((small, small._replace(name="d")), (), GraphDef(), (), (), {})
    with pytest.raises(FreezeError) as caught:
        make_plan(graph, {}, form)
    assert Reason.GRAPH_TOO_LARGE is caught.value.reason
    for part in ("3,000,000,000", "'c' (1,500,000,000 bytes)", "--deny", "--output-nodes"):
        assert part in caught.value.message


def test_the_limit_counts_all_that_is_written() -> None:
    """Constants that fit exactly leave no room for the rest of the message."""
    graph = one_constant(FileRange("absent", 0, (1 << 31) - 1, 0), ((1 << 31) - 1,))
    with pytest.raises(FreezeError) as caught:
        make_plan(graph, {})
    assert Reason.GRAPH_TOO_LARGE is caught.value.reason


def test_a_graph_just_below_the_limit_is_planned() -> None:
    """2 GiB less one byte in all is allowed."""
    probe = one_constant(FileRange("absent", 0, 1 << 30, 0), (1 << 30,))
    overhead = make_plan(probe, {}).size_bytes - (1 << 30)
    graph = one_constant(FileRange("absent", 0, (1 << 31) - 1 - overhead, 0), (1 << 30,))
    assert (1 << 31) - 1 == make_plan(graph, {}).size_bytes


_PRINT_DIGESTS = """
import pathlib, sys
from emit.samples import dense_graph, write_shard
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef
import dataclasses
graph = dense_graph()
proto = graph.nodes[2].proto
for key in ("zeta", "alpha", "_class", "mu"):
    proto.attr[key].func.name = key
    for inner in ("b", "a", "c"):
        proto.attr[key].func.attr[inner].i = 1
for key in ("a", "b", "c"):
    graph.functions[0].proto.attr[key].b = True
tags = frozenset(("serve", "gpu", "tpu"))
for saved_model in (False, True):
    for text in (False, True):
        form = OutputForm(saved_model, text, tags, MetaGraphDef())
        print(make_plan(graph, write_shard(pathlib.Path(sys.argv[1])), form).crc32c)
"""


def test_other_processes_and_hash_seeds_give_the_same_bytes(tmp_path: Path) -> None:
    """Maps and sets are written in one order, in every form, whatever the hash seed."""
    outputs = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        outputs.add(
            subprocess.run(
                [sys.executable, "-c", _PRINT_DIGESTS, str(tmp_path)],
                env=environment,
                check=True,
                capture_output=True,
                timeout=60,
            ).stdout
        )
    assert 1 == len(outputs)
    assert 4 == len(set(outputs.pop().split()))


@pytest.mark.tensorflow
@pytest.mark.parametrize("as_text", [False, True])
def test_tensorflow_runs_what_is_written(tmp_path: Path, as_text: bool) -> None:
    """TensorFlow parses both forms and computes with the weights."""
    tf = pytest.importorskip("tensorflow")
    text_format = pytest.importorskip("google.protobuf.text_format")
    data = encoded(dense_graph(), write_shard(tmp_path), OutputForm(as_text=as_text))
    graph_def = tf.compat.v1.GraphDef()
    if as_text:
        text_format.Parse(data, graph_def)
    else:
        graph_def.ParseFromString(data)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        assert [[5.5, 7.5, 9.5]] == session.run("y:0", {"x:0": [[1.0, 1.0]]}).tolist()


def test_debug_info_and_inferred_types_of_the_origin_are_left_out() -> None:
    """Only attributes and device count of what a node was built from."""
    proto = NodeDef(name="v", op="VarHandleOp", device="/device:GPU:0")
    proto.experimental_debug_info.original_node_names.append("v")
    proto.experimental_type.args.add()
    proto.attr["a"].i = 1
    graph = replace(dense_graph(), nodes=(Node("c", "NoOp", (), proto),), functions=())
    expected = NodeDef(name="c", op="NoOp", device="/device:GPU:0")
    expected.attr["a"].i = 1
    assert expected == GraphDef.FromString(encoded(graph, {})).node[0]
