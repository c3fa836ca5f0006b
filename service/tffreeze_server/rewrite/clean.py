"""What dangles after the variables are gone: waits for constants, colocation, devices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.ops import STATIC_OPS
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef


def without_static_waits(nodes: Iterable[Node]) -> dict[str, Node]:
    """The nodes without control inputs on what is constant.

    A constant that itself waits for nothing is there from the start, outside every loop and branch: to wait
    for it, or for an Identity or NoOp that reads nothing else, is to wait for nothing.

    Args:
        nodes: Each after its inputs.

    """
    static: set[str] = set()
    cleaned: dict[str, Node] = {}
    for node in nodes:
        if any(i.startswith("^") and i[1:] in static for i in node.inputs):
            kept = tuple([i for i in node.inputs if not (i.startswith("^") and i[1:] in static)])
            node = node._replace(inputs=kept)  # noqa: PLW2901  the node from here on is the cleaned one
        if (node.op == "Const" and not node.inputs) or (
            node.op in STATIC_OPS and all(node_of(i) in static for i in node.inputs)
        ):
            static.add(node.name)
        cleaned[node.name] = node
    return cleaned


def without_dangling_colocation(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes, colocated only with what is there."""
    return {name: _colocated(node, nodes.keys()) for name, node in nodes.items()}


def without_devices(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes, placed nowhere."""
    return {name: _unplaced(node) for name, node in nodes.items()}


def function_without_devices(function: FunctionDef) -> FunctionDef:
    """A function whose nodes are placed nowhere."""
    cleared = FunctionDef()
    cleared.CopyFrom(function)
    for node in cleared.node_def:
        node.device = ""
    return cleared


def _colocated(node: Node, names: Collection[str]) -> Node:
    if (isinstance(node.source, bytes) and b"_class" not in node.source) or "_class" not in node.proto.attr:
        return node
    classes = [s for s in node.proto.attr["_class"].list.s if s[:5] != b"loc:@" or _name(s) in names]
    if len(classes) == len(node.proto.attr["_class"].list.s):
        return node
    proto = NodeDef()
    proto.CopyFrom(node.proto)
    del proto.attr["_class"].list.s[:]
    proto.attr["_class"].list.s.extend(classes)
    if not classes:
        del proto.attr["_class"]
    return node._replace(source=proto)


def _name(location: bytes) -> str:
    return location[5:].decode("utf-8", "replace")


def _unplaced(node: Node) -> Node:
    if not node.proto.device:
        return node
    proto = NodeDef()
    proto.CopyFrom(node.proto)
    proto.device = ""
    return node._replace(source=proto)
