"""Small frozen graphs whose weights are in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tffreeze_server.graph.model import Signature, TensorInfo
from tffreeze_server.graph.node import Node, TensorValue
from tffreeze_server.rewrite.frozen_graph import FrozenFunction, FrozenGraph
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef, NodeDef
from tffreeze_server.tfproto.tensor_pb2 import DT_FLOAT, DT_STRING, TensorProto

SHARD = "w.data-00000-of-00001"
KERNEL = bytes.fromhex("0000803f 00000040 00004040 00008040 0000a040 0000c040")  # [[1, 2, 3], [4, 5, 6]]
BIAS = bytes.fromhex("0000003f 0000003f 0000003f")  # [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class Halves(Assembled):
    """Bytes that are put together from two ranges."""

    first: FileRange
    second: FileRange
    length_bytes: int

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Give one half, then the other."""
        for half in (self.first, self.second):
            yield files.pread(half.file, half.length_bytes, half.offset_bytes)


def write_shard(folder: Path) -> dict[str, Path]:
    """Write the data file of `dense_graph`; give the files as a plan wants them."""
    path = folder / SHARD
    path.write_bytes(b"junk" + KERNEL + BIAS)
    return {SHARD: path}


def kernel_range(crc: int | None) -> FileRange:
    """Where the kernel is."""
    return FileRange(SHARD, 4, len(KERNEL), crc)


def dense_graph(kernel: FileRange | Assembled | None = None) -> FrozenGraph:
    """`y = x @ kernel + bias`, weights by reference, the bias added by a function that holds its own."""
    kernel = kernel or kernel_range(extend(0, KERNEL))
    nodes = (
        Node("x", "Placeholder", (), _attrs("x", "Placeholder", dtype=DT_FLOAT)),
        Node("kernel", "Const", (), _attrs("", "", dtype=DT_FLOAT), TensorValue(DT_FLOAT, (2, 3), kernel)),
        Node("xw", "MatMul", ("x", "kernel"), _attrs("old/name", "MatMul", T=DT_FLOAT)),
        Node("y", "AddBias", ("xw",), NodeDef()),
    )
    signature = Signature(
        "serving_default",
        "tensorflow/serving/predict",
        {"features": TensorInfo("x:0", DT_FLOAT, (-1, 2))},
        {"scores": TensorInfo("y:0", DT_FLOAT, (-1, 3))},
    )
    versions = GraphDef()
    versions.versions.producer = 1882
    return FrozenGraph(nodes, (_add_bias(),), versions, (signature,), (), {})


def _add_bias() -> FrozenFunction:
    proto = FunctionDef()
    proto.signature.name = "AddBias"
    proto.signature.input_arg.add(name="a", type=DT_FLOAT)
    proto.signature.output_arg.add(name="sum", type=DT_FLOAT)
    proto.node_def.add(name="bias", op="Const").attr["dtype"].type = DT_FLOAT
    proto.node_def.add(name="add", op="AddV2", input=["a", "bias:output:0"]).attr["T"].type = DT_FLOAT
    proto.ret["sum"] = "add:z:0"
    bias = FileRange(SHARD, 4 + len(KERNEL), len(BIAS), extend(0, BIAS))
    return FrozenFunction(proto, {"bias": TensorValue(DT_FLOAT, (3,), bias)})


def one_constant(data: FileRange | Assembled | TensorProto, shape: tuple[int, ...]) -> FrozenGraph:
    """A graph of one float constant `c`."""
    value = TensorValue(DT_FLOAT, shape, data)
    node = Node("c", "Const", (), _attrs("", "", dtype=DT_FLOAT), value)
    return FrozenGraph((node,), (), GraphDef(), (), (), {})


def string_constant(name: str, text: bytes) -> Node:
    """A scalar string."""
    tensor = TensorProto(dtype=DT_STRING, string_val=[text])
    tensor.tensor_shape.SetInParent()
    return Node(name, "Const", (), _attrs("", "", dtype=DT_STRING), TensorValue(DT_STRING, (), tensor))


def _attrs(name: str, op: str, **types: int) -> NodeDef:
    proto = NodeDef(name=name, op=op, input=["gone"] if name else [])
    for key, dtype in types.items():
        proto.attr[key].type = dtype  # type: ignore[assignment]  # enums are ints
    return proto
