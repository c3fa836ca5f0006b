"""Encoding a frozen graph as segments of a serialized GraphDef.

A GraphDef on the wire is a sequence of fields, so it is written node by node. A constant held by reference
is written as literal bytes that end just before its contents, then the reference:

    NodeDef { name, op, input, device, attr…, attr { "value": AttrValue { tensor: TensorProto {
        dtype, tensor_shape, tensor_content:  «the bytes, by reference»  } } } }

`tensor_content` is the last field at every level, so nothing follows the reference but the next node.
Field numbers are those of graph.proto, function.proto, attr_value.proto, node_def.proto and tensor.proto of
tensorflow/core/framework. The same graph gives the same bytes: map entries are written in key order,
except `value` of such a constant, which comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from tffreeze_common.wire import field, field_head
from tffreeze_server.graph.attrs import shape_proto
from tffreeze_server.graph.node import Node, TensorValue
from tffreeze_server.plan.message_size import check_constant, check_encoded_size, check_weights_size
from tffreeze_server.plan.plan import Segment
from tffreeze_server.plan.segments import joined, nested
from tffreeze_server.rewrite.frozen_graph import FrozenFunction, FrozenGraph
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef
from tffreeze_server.tfproto.tensor_pb2 import DataType, TensorProto

_GRAPH_NODE = 1
_GRAPH_LIBRARY = 2
_LIBRARY_FUNCTION = 1
_FUNCTION_NODE = 3
_NODE_ATTR = 5
_ATTR_KEY = 1
_ATTR_VALUE = 2
_VALUE_TENSOR = 8
_TENSOR_CONTENT = 4


def graph_segments(graph: FrozenGraph) -> list[Segment]:
    """Encode a frozen graph as a GraphDef.

    Raises:
        FreezeError: GRAPH_TOO_LARGE if it would exceed 2 GiB; the constants are summed before any work.

    """
    check_weights_size(graph)
    segments = list(joined(_graph(graph)))
    check_encoded_size(graph, segments)
    return segments


def node_message(node: Node) -> NodeDef:
    """Make the NodeDef of a node, without the value it holds by reference.

    Raises:
        FreezeError: MALFORMED_MODEL for a constant that nobody can load.

    """
    message = NodeDef()
    if isinstance(node.source, bytes):
        message.ParseFromString(node.source)
    else:
        message.CopyFrom(node.source)
    message.name = node.name
    message.op = node.op
    message.input[:] = node.inputs
    # They describe the original op and graph; a loader infers the type again.
    message.ClearField("experimental_debug_info")
    message.ClearField("experimental_type")
    check_constant(message)
    return message


def tensor_head(value: TensorValue) -> TensorProto:
    """Make the TensorProto of a value by reference, without its contents."""
    # A scalar's shape has no dimensions. TensorFlow writes the empty shape, so we do, too.
    return TensorProto(dtype=cast("DataType", value.dtype), tensor_shape=shape_proto(value.shape))


def _graph(graph: FrozenGraph) -> Iterator[Segment]:
    for node in graph.nodes:
        yield from _node(_GRAPH_NODE, node_message(node), node.value)
    library = [segment for function in graph.functions for segment in _function(function)]
    if library:
        yield from nested(_GRAPH_LIBRARY, library)
    yield graph.versions.SerializeToString(deterministic=True)


def _function(function: FrozenFunction) -> list[Segment]:
    for node in function.proto.node_def:
        check_constant(node)
    if not function.values:
        return [field(_LIBRARY_FUNCTION, function.proto.SerializeToString(deterministic=True))]
    contents: list[Segment] = [without_nodes(function.proto).SerializeToString(deterministic=True)]
    for node in function.proto.node_def:
        contents += _node(_FUNCTION_NODE, node, function.values.get(node.name))
    return nested(_LIBRARY_FUNCTION, contents)


def without_nodes(proto: FunctionDef) -> FunctionDef:
    """Copy a function without its body."""
    rest = FunctionDef()
    rest.CopyFrom(proto)
    del rest.node_def[:]
    return rest


def _node(number: int, message: NodeDef, value: TensorValue | None) -> list[Segment]:
    encoded = message.SerializeToString(deterministic=True)
    if value is None:
        return [field(number, encoded)]
    return nested(number, [encoded, *_value_attr(value)])


def _value_attr(value: TensorValue) -> list[Segment]:
    """Encode the entry `value` of the map of attributes."""
    tensor = _tensor(value)
    entry = [field(_ATTR_KEY, b"value"), *nested(_ATTR_VALUE, nested(_VALUE_TENSOR, tensor))]
    return nested(_NODE_ATTR, entry)


def _tensor(value: TensorValue) -> list[Segment]:
    if isinstance(value.data, TensorProto):
        return [value.data.SerializeToString(deterministic=True)]
    head = tensor_head(value).SerializeToString(deterministic=True)
    return [head + field_head(_TENSOR_CONTENT, value.data.length_bytes), *_contents(value.data)]


def _contents(data: FileRange | Assembled) -> tuple[Segment, ...]:
    """The segments of a value: its ranges, if it is only ranges one after another."""
    return data.ranges if isinstance(data, Assembled) and data.ranges else (data,)
