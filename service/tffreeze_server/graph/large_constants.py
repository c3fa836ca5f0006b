"""The nodes of a binary graph, its large constants left in the file.

An already frozen graph is little more than constants of many megabytes. They are found by walking the wire
format, checked against their dtype and shape, and held as ranges of the file; so what is in memory does not
grow with the weights. Only the form that TensorFlow writes is left in the file: one attribute `value`,
one tensor, its bytes in `tensor_content`. Any other is parsed like all the rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tffreeze_common.wire import LENGTH, Field, WireError, fields
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import read_shape
from tffreeze_server.graph.file_bytes import FileBytes
from tffreeze_server.graph.nesting import parse_graph, parse_node
from tffreeze_server.graph.node import Node, TensorValue, compact, from_node_def
from tffreeze_server.parse import parse
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.dtypes import name_of, size_bytes_of
from tffreeze_server.tfproto.graph_pb2 import GraphDef, NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

MIN_LARGE_BYTES = 1 << 16
"""A constant of at least this size stays in its file."""

MAX_MESSAGES_BYTES = 1 << 23
"""A graph of at most this size is held as messages, which take ten times the memory and half the time."""
MIN_NODE_BYTES = 6
"""A name and an op of one letter each: less is no node, and must not become millions of objects."""
_MAX_RUN_BYTES = 1 << 22
_MAX_PARTS = 1 << 10

# Field numbers of tensorflow/core/framework/graph.proto, node_def.proto, attr_value.proto, tensor.proto.
_GRAPH_NODE = 1
_NODE_OP = 2
_NODE_ATTR = 5
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_ATTR_TENSOR = 8
_TENSOR_CONTENT = 4
_TENSOR_HEAD = frozenset((1, 2, 3))


class Range(NamedTuple):
    """Where a message stands in a file."""

    start: int
    end: int


def read_graph(data: FileBytes, ranges: Sequence[Range]) -> tuple[list[Node], GraphDef]:
    """Read a GraphDef that stands in a file.

    Args:
        data: The file.
        ranges: Where it stands; several where it is written in several parts.

    Returns:
        The nodes in file order, and what else the GraphDef holds.

    Raises:
        WireError: It is not a message.
        DecodeError: A part of it is not what it should be.
        FreezeError: MALFORMED_MODEL where a constant's size is not that of its shape.

    """
    nodes: list[Node] = []
    rest: list[bytes] = []
    read = compact if sum(end - start for start, end in ranges) > MAX_MESSAGES_BYTES else from_node_def
    for run, is_nodes in _runs(data, ranges):
        if not is_nodes:
            rest.append(data.read(*run))
        elif run.end - run.start < MIN_LARGE_BYTES or not (large := _large_constant(data, run)):
            nodes.extend(map(read, parse_graph(data.read(*run)).node))
        else:
            nodes.append(large)
    return nodes, parse_graph(b"".join(rest))


def _runs(data: FileBytes, ranges: Sequence[Range]) -> Iterator[tuple[Range, bool]]:
    """Runs of small nodes, large nodes and other fields, in file order; whether it is nodes."""
    for whole in ranges:
        start = end = whole.start
        for field in fields(data.read, *whole):
            is_node = field.number == _GRAPH_NODE and field.wire_type == LENGTH
            if is_node and field.end - field.value < MIN_NODE_BYTES:
                raise WireError(_lack(parse(NodeDef, data.read(field.value, field.end))))
            small = field.number == _GRAPH_NODE and field.end - field.start < MIN_LARGE_BYTES
            if start < end and (not small or end - start > _MAX_RUN_BYTES):
                yield Range(start, end), True
                start = field.start
            if not small:
                yield Range(field.start, field.end), field.number == _GRAPH_NODE
                start = field.end
            end = field.end
        if start < end:
            yield Range(start, end), True


def _lack(node: NodeDef) -> str:
    """What a node that is too short for a name and an op lacks."""
    return f"its node {node.name!r} has no op" if node.name else "a node of it has no name"


def _large_constant(data: FileBytes, run: Range) -> Node | None:
    """The node of a run of one, its value by reference; None where it is no such Const."""
    node = next(fields(data.read, *run))
    parts = _parts(data, node)
    ops = [data.read(part.value, part.end) for part in parts if part.number == _NODE_OP]
    values = [part for part in parts if part.number == _NODE_ATTR and _is_value(data, part)]
    if ops != [b"Const"] or len(values) != 1:
        return None
    tensor = _only(data, _only(data, values[0], _ENTRY_VALUE, frozenset((_ENTRY_KEY,))), _ATTR_TENSOR)
    content = _only(data, tensor, _TENSOR_CONTENT, _TENSOR_HEAD)
    if tensor is None or content is None or content.end - content.value < MIN_LARGE_BYTES:
        return None
    head = parse(TensorProto, data.read(tensor.value, content.start) + data.read(content.end, tensor.end))
    others = [data.read(part.start, part.end) for part in parts if part is not values[0]]
    small = from_node_def(parse_node(b"".join(others)))
    return small._replace(value=_value_in_file(data.name, small.name, head, content))


def _parts(data: FileBytes, message: Field) -> list[Field]:
    """The fields of a message; none where it is no message, or has more than a constant ever has."""
    if message.wire_type != LENGTH:
        return []
    parts = list(itertools.islice(fields(data.read, message.value, message.end), _MAX_PARTS + 1))
    return parts if len(parts) <= _MAX_PARTS else []


def _is_value(data: FileBytes, attr: Field) -> bool:
    keys = [part for part in _parts(data, attr) if part.number == _ENTRY_KEY]
    return bool(keys) and data.read(keys[-1].value, min(keys[-1].end, keys[-1].value + 6)) == b"value"


def _only(
    data: FileBytes, parent: Field | None, number: int, beside: frozenset[int] = frozenset()
) -> Field | None:
    """The one field `number` of a message that has nothing but it and the fields `beside`."""
    if parent is None:
        return None
    parts = _parts(data, parent)
    found = [part for part in parts if part.number == number and part.wire_type == LENGTH]
    known = all(part.number == number or part.number in beside for part in parts)
    return found[0] if known and len(found) == 1 else None


def _value_in_file(file: str, node: str, head: TensorProto, content: Field) -> TensorValue:
    shape = read_shape(head.tensor_shape, node)
    size_bytes = size_bytes_of(head.dtype)
    length_bytes = content.end - content.value
    if shape is None or min(shape, default=0) < 0 or math.prod(shape) * size_bytes != length_bytes:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The constant {node!r} in {file!r} has {length_bytes} bytes, which is not the size of "
            f"{name_of(head.dtype)} of shape {None if shape is None else list(shape)}.",
            subject=node,
        )
    return TensorValue(head.dtype, shape, FileRange(file, content.value, length_bytes, None))
