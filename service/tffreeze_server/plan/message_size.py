"""The size limit of a protobuf message, checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import read_shape
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.plan.plan import MAX_PROTO_BYTES, Segment
from tffreeze_server.plan.segments import size_bytes
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tensors.dtypes import can_be_constant, name_of
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

_MAX_CONSTANTS_IN_MESSAGE = 5


def check_weights_size(graph: FrozenGraph) -> None:
    """Refuse a graph whose constants alone exceed the limit.

    Raises:
        FreezeError: GRAPH_TOO_LARGE.

    """
    _check(graph, sum(_value_bytes(value) for _, value in constants(graph)))


def check_encoded_size(graph: FrozenGraph, segments: Iterable[Segment]) -> None:
    """Refuse an encoded graph that exceeds the limit.

    Raises:
        FreezeError: GRAPH_TOO_LARGE.

    """
    _check(graph, size_bytes(segments))


def check_constant(node: NodeDef) -> None:
    """Refuse a constant of the model that nobody can load: one value may stand for any number of elements.

    Raises:
        FreezeError: MALFORMED_MODEL.

    """
    if node.op != "Const" or "value" not in node.attr:
        return
    tensor = node.attr["value"].tensor
    shape = read_shape(tensor.tensor_shape, node.name)
    if shape is not None and not can_be_constant(tensor.dtype, shape):
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The constant {node.name!r} has the shape {list(shape)} of {name_of(tensor.dtype)}, which is invalid or "
            "too large for any memory. The model was edited: export it again.",
            subject=node.name,
        )


def constants(graph: FrozenGraph) -> Iterator[tuple[str, TensorValue]]:
    """Yield the name and value of each constant held by reference, also in function bodies."""
    for node in graph.nodes:
        if node.value is not None:
            yield node.name, node.value
    for function in graph.functions:
        for name in sorted(function.values):
            yield f"{function.proto.signature.name}/{name}", function.values[name]


def _check(graph: FrozenGraph, size: int) -> None:
    if size <= MAX_PROTO_BYTES:
        return
    raise FreezeError(
        Reason.GRAPH_TOO_LARGE,
        f"The frozen graph would have {size:,} bytes, but a protobuf message has at most {MAX_PROTO_BYTES:,} "
        f"(2 GiB). {_largest(graph)} "
        "Keep large variables with --deny, or freeze the model in parts: choose fewer outputs with --signature "
        "or --output-nodes.",
    )


def _largest(graph: FrozenGraph) -> str:
    sized = [(name, _value_bytes(value)) for name, value in constants(graph)]
    sized.sort(key=lambda item: (-item[1], item[0]))
    if not sized:
        return "It has no large constants: the nodes themselves are too many."
    shown = ", ".join(f"{name!r} ({size:,} bytes)" for name, size in sized[:_MAX_CONSTANTS_IN_MESSAGE])
    return f"Its largest constants are {shown}."


def _value_bytes(value: TensorValue) -> int:
    return value.data.ByteSize() if isinstance(value.data, TensorProto) else value.data.length_bytes
